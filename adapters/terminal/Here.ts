/** A command in a machine with our own standard streams and signals: what every front's `run` is at its core. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Descriptor, Exec, Files, type MachineRecord, Space } from "../../src/index.ts"
import { Invocation } from "./Invocation.ts"

/** The script that was to be run cannot be read. */
export class ScriptUnreadable extends Schema.TaggedError<ScriptUnreadable>()("ScriptUnreadable", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `Cannot read the script ${this.path}: ${this.reason}.`
  }
  get hint(): string {
    return "name a file of this host, or - for standard input"
  }
}

/** A script file, or what comes on our standard input. */
export const readScript = (script: string): Effect.Effect<Uint8Array, ScriptUnreadable> =>
  Effect.mapError(
    script === "-"
      ? Effect.map(Stream.runCollect(Descriptor.stdin), (chunks) => Buffer.concat(chunks))
      : Files.readBytes(script),
    (error) =>
      new ScriptUnreadable({
        path: script,
        reason: error.reason._tag === "NotFound" ? "there is no such file" : error.message
      })
  )

/** How it ended, and what else a front's verdict needs. */
export interface Ended {
  readonly exit: Exec.Exit
  /** The number of the signal that cancelled it. */
  readonly signal: number | undefined
  /** It did not succeed, and its machine has no room left on the disk. */
  readonly diskFull: boolean
}

/** Runs it to its end. The first signal cancels it, a second one hurries that. */
export const run = (
  record: MachineRecord.MachineRecord,
  command: Exec.Script | Exec.Words<PlatformError.PlatformError>,
  options: {
    readonly environment?: Readonly<Record<string, string>> | undefined
    readonly folder?: string | undefined
    readonly timeout?: Duration.Duration | undefined
    readonly grace: Duration.Duration
  }
): Effect.Effect<Ended, Exec.ExecError, Invocation> =>
  Effect.scoped(
    Effect.gen(function* () {
      const invocation = yield* Invocation
      const claimed = yield* Effect.forkScoped(invocation.claimSignal)
      const exit = yield* Exec.run(record, command, {
        ...options,
        stdout: (bytes) => Descriptor.write(1, bytes),
        stderr: (bytes) => Descriptor.write(2, bytes),
        cancel: Effect.asVoid(Fiber.join(claimed)),
        hurry: invocation.secondSignal
      })
      const signal = exit._tag === "Cancelled" ? yield* Fiber.join(claimed) : undefined
      const succeeded = exit._tag === "Exited" && exit.code === 0
      const diskFull = !succeeded && exit._tag !== "MachineGone" && (yield* Space.isFull(record))
      return { exit, signal, diskFull }
    })
  )
