/**
 * Units of the host's systemd: start a transient one, stop it, read its journal.
 *
 * A transient unit is always `--collect`ed: a failed one would keep its name until `reset-failed` (systemd-run(1)).
 *
 * A systemd that executes itself anew (`systemctl daemon-reexec`, an upgrade of its package) refuses who asks and cuts off
 * who waits, for a moment: it is asked again.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schedule from "effect/Schedule"
import * as Files from "./Files.ts"
import * as Tool from "./Tool.ts"

export interface Transient {
  readonly unit: string
  readonly slice: string
  readonly description: string
  /** `Name=value`, as in systemd.exec(5), systemd.resource-control(5), systemd.service(5). */
  readonly properties: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
  readonly command: ReadonlyArray<string>
}

/** Starts a transient service and returns when its command was executed (`Type=exec`). */
export const start = (transient: Transient, reach: Reach = system): Effect.Effect<void, Tool.ToolError> => {
  const words = [
    ...reach.flags,
    "--quiet",
    "--collect",
    `--unit=${transient.unit}`,
    `--slice=${transient.slice}`,
    `--description=${transient.description}`,
    "--service-type=exec",
    ...transient.properties.map((property) => `--property=${property}`),
    ...Object.entries(transient.environment).map(([name, value]) => `--setenv=${name}=${value}`),
    "--",
    ...transient.command
  ]
  const once = Tool.run("systemd-run", words, { environment: reach.environment })
  // Cut off, we do not know whether it was started: if it was, the name is taken now.
  const again = Effect.catchIf(insist(once), isTaken, () => Effect.void)
  return Effect.asVoid(Effect.catchIf(once, isCutOff, () => again))
}

/** Which systemd is asked: the host's, or a user's, with what leads to it. */
export interface Reach {
  readonly flags: ReadonlyArray<"--user">
  readonly environment: Readonly<Record<string, string>>
}

export const system: Reach = { flags: [], environment: {} }

/** Stops a unit and waits until it is really inactive. One that is not there is a success. */
export const stop = (unit: string, reach: Reach = system): Effect.Effect<void, Tool.ToolError> =>
  systemctl(["stop", unit], reach).pipe(
    Effect.asVoid,
    // 5: the unit is not loaded (systemctl(1), EXIT STATUS).
    Effect.catchIf(
      (error) => error._tag === "ToolFailed" && error.code === 5,
      () => Effect.void
    )
  )

/** The last `lines` that a unit wrote to the journal since `sinceMs` (Unix time). */
export const journal = (unit: string, lines: number, sinceMs: number): Effect.Effect<string, Tool.ToolError> =>
  Tool.run("journalctl", [
    "--quiet",
    "--no-pager",
    "--output=cat",
    `--unit=${unit}`,
    `--lines=${lines}`,
    `--since=@${(sinceMs / 1000).toFixed(3)}`
  ])

/** A unit file of this host's administrator (systemd.unit(5), /etc/systemd/system). */
export interface UnitFile {
  readonly name: string
  readonly content: string
}

/** Writes unit files, and has systemd start and enable those that say how ([Install]). The same again changes nothing. */
export const install = (
  files: ReadonlyArray<UnitFile>
): Effect.Effect<"installed" | "unchanged", Tool.ToolError | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    let changed = false
    for (const { content, name } of files) {
      const known = yield* Files.readText(`${folder}/${name}`)
      if (Option.contains(known, content)) continue
      yield* Files.replace(`${folder}/${name}`, content, 0o644)
      changed = true
    }
    if (changed) yield* systemctl(["daemon-reload"])
    const enabled = files.filter(({ content }) => content.includes("[Install]")).map(({ name }) => name)
    yield* systemctl(["--quiet", "enable", "--now", ...enabled])
    return changed ? "installed" : "unchanged"
  })

/** Stops, disables and deletes unit files. Absent is a success. */
export const uninstall = (
  names: ReadonlyArray<string>
): Effect.Effect<"removed" | "absent", Tool.ToolError | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const there: Array<string> = []
    for (const name of names) if (yield* Files.exists(`${folder}/${name}`)) there.push(name)
    if (there.length === 0) return "absent"
    yield* systemctl(["--quiet", "disable", "--now", ...there])
    for (const name of there) yield* Files.remove(`${folder}/${name}`)
    yield* systemctl(["daemon-reload"])
    return "removed"
  })

const folder = "/etc/systemd/system"

/** One property of a unit (systemctl(1), show). */
export const property = (unit: string, name: string, reach: Reach = system): Effect.Effect<string, Tool.ToolError> =>
  Effect.map(systemctl(["show", "--property", name, "--value", "--", unit], reach), (text) => text.trim())

const systemctl = (args: ReadonlyArray<string>, reach: Reach = system) =>
  insist(Tool.run("systemctl", [...reach.flags, ...args], { environment: reach.environment }))

/** Asks for ten seconds or so, while systemd does not listen. */
const insist = <A>(question: Effect.Effect<A, Tool.ToolError>): Effect.Effect<A, Tool.ToolError> =>
  Effect.retry(question, { while: isCutOff, schedule: Schedule.spaced("100 millis"), times: 100 })

const says = (pattern: RegExp) => (error: Tool.ToolError) =>
  error._tag === "ToolFailed" && pattern.test(error.lastLines)
const isCutOff = says(
  /Connection refused|Connection reset by peer|Transport endpoint is not connected|D-Bus connection terminated/
)
const isTaken = says(/was already loaded/)
