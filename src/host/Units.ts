/**
 * Units of the host's systemd: start a transient one, stop it, read its journal.
 *
 * A transient unit is always `--collect`ed: a failed one would keep its name until `reset-failed` (systemd-run(1)).
 */
import * as Effect from "effect/Effect"
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
export const start = (transient: Transient): Effect.Effect<void, Tool.ToolError> =>
  Effect.asVoid(
    Tool.run("systemd-run", [
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
    ])
  )

/** Stops a unit and waits until it is really inactive. One that is not there is a success. */
export const stop = (unit: string): Effect.Effect<void, Tool.ToolError> =>
  Tool.run("systemctl", ["stop", unit]).pipe(
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
    `--since=@${Math.floor(sinceMs / 1000)}`
  ])
