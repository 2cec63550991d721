/** What `run`, `exec` and `once` share: a command's output on our own streams, signals, and how it ended. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { Descriptor, Exec, type MachineRecord } from "../../src/index.ts"
import { Invocation } from "../terminal/Invocation.ts"
import { endAsJson, endInWords } from "../terminal/Paragraph.ts"
import * as Say from "../terminal/Say.ts"

/** A command line is wrong in a way that its parser cannot see. */
export class UsageWrong extends Schema.TaggedError<UsageWrong>()("UsageWrong", {
  reason: Schema.String,
  remedy: Schema.String
}) {
  override get message(): string {
    return `${this.reason}.`
  }
  get hint(): string {
    return this.remedy
  }
}

/** The words after `--`, as bytes. Words without it are refused: a flag among them would have been taken for ours. */
export const operandsOf = (
  command: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Uint8Array>, UsageWrong, Invocation> =>
  Effect.flatMap(Invocation, ({ operands }) =>
    operands.length === command.length
      ? Effect.succeed(operands)
      : Effect.fail(
          new UsageWrong({
            reason: `There is no -- before "${command.join(" ")}"`,
            remedy: "write -- before the command that runs in the machine, so that its flags are not taken for redd's"
          })
        )
  )

export interface Options {
  readonly environment: Readonly<Record<string, string>>
  readonly folder: Option.Option<string>
  readonly timeout: Option.Option<Duration.Duration>
  readonly grace: Duration.Duration
  readonly json: boolean
}

/** Runs a command and makes its end ours. */
export const runHere = (
  record: MachineRecord.MachineRecord,
  command: Exec.Script | Exec.Words<PlatformError.PlatformError>,
  options: Options
): Effect.Effect<void, Exec.ExecError, Invocation> =>
  Effect.scoped(
    Effect.gen(function* () {
      const invocation = yield* Invocation
      const signal = yield* Effect.forkScoped(invocation.claimSignal)
      const exit = yield* Exec.run(record, command, {
        stdout: (bytes) => Descriptor.write(1, bytes),
        stderr: (bytes) => Descriptor.write(2, bytes),
        environment: options.environment,
        folder: Option.getOrUndefined(options.folder),
        timeout: Option.getOrUndefined(options.timeout),
        grace: options.grace,
        cancel: Effect.asVoid(Fiber.join(signal)),
        hurry: invocation.secondSignal
      })
      // As a shell would say it: 130 for Ctrl-C, 143 for SIGTERM.
      const code = exit._tag === "Cancelled" ? 128 + (yield* Fiber.join(signal)) : Exec.exitCode(exit)
      const words = endInWords(exit)
      if (options.json) yield* Say.note(endAsJson(record.id, exit, code))
      else if (words !== undefined) yield* Say.note(`redd: ${words}`)
      yield* invocation.exitWith(code)
    })
  )
