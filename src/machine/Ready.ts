/**
 * Ready: the door is open, and the machine's acquire has come to its end.
 *
 * The mark is a link in /run/redd/ready, which a reboot of the host takes away with the machines themselves. It is made
 * last and unmade first: whatever has no mark, gc takes away, unless its maker or releaser is still at work.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Engine from "../engine/Engine.ts"
import * as Engines from "../engine/Engines.ts"
import * as Files from "../host/Files.ts"
import * as Text from "../host/Text.ts"
import type { MachineRecord } from "../record/MachineRecord.ts"
import * as Door from "./Door.ts"

/** A machine ended, or did not get ready, while it started. What there was of it has been released. */
export class BootFailed extends Schema.TaggedError<BootFailed>()("BootFailed", {
  id: Schema.String,
  reason: Schema.String,
  /** The last lines of its console. */
  console: Schema.String
}) {
  override get message(): string {
    return `Machine "${this.id}" did not start: ${this.reason}.`
  }
  get hint(): string {
    return "the last lines of its console are below; --boot none runs an image without its init"
  }
}

export type ReadyError = BootFailed | Engine.EngineError

/** Waits until the door opens, and marks the machine. One that ends before, or that takes too long, says why. */
export const make = (record: MachineRecord): Effect.Effect<void, ReadyError> =>
  Effect.gen(function* () {
    const opened = yield* Effect.timeoutOption(awaitDoor(record), Duration.millis(record.bootTimeoutMs))
    if (Option.isSome(opened) && opened.value === "open") return yield* mark(record)
    const console = yield* Effect.orElseSucceed(Engines.of(record).console(record, 60), () => "")
    const lines = Text.printable(console).split("\n")
    const seconds = record.bootTimeoutMs / 1000
    return yield* new BootFailed({
      id: record.id,
      reason: Option.isSome(opened)
        ? "it ended while it booted"
        : `its door was not open after ${seconds} s${stuckJob(lines)}`,
      console: lines.slice(-20).join("\n")
    })
  })

/** The machine's acquire came to its end, and its release has not begun. */
export const isMarked = (record: MachineRecord): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Effect.map(Files.readLink(markOf(record)), (found) => Option.contains(found, record.machineId))

/** Takes the mark away: the first thing of a release. */
export const unmake = (record: MachineRecord): Effect.Effect<void, PlatformError.PlatformError> =>
  Files.remove(markOf(record))

/** Where the marks are, of every state folder's machines. */
export const folder = "/run/redd/ready"
const markOf = ({ key }: MachineRecord) => `${folder}/${key}`

/** The link names the machine and not only its key: a record that was put back is not the machine that it once was. */
const mark = (record: MachineRecord) =>
  Files.makeFolder(folder).pipe(
    Effect.andThen(Files.remove(markOf(record))),
    Effect.andThen(Files.link(record.machineId, markOf(record)))
  )

const awaitDoor = (record: MachineRecord): Effect.Effect<"open" | "ended", PlatformError.PlatformError> =>
  Effect.gen(function* () {
    for (;;) {
      if (yield* Door.isOpen(record)) return "open"
      if (!(yield* Engine.isAlive(record))) return "ended"
      yield* Effect.sleep("4 millis")
    }
  })

/** The job that the machine's systemd waits for, as it says on its console (`Job NAME/start running`). */
const stuckJob = (console: ReadonlyArray<string>): string => {
  for (const line of [...console].reverse()) {
    const job = /Job (\S+)\/start running/.exec(line)?.[1] ?? /A start job is running for (.+?) \(/.exec(line)?.[1]
    if (job !== undefined) return `: its systemd still waits for ${job}`
  }
  return ""
}
