/** What follows `--` on a command line, and a command line that is wrong in a way that its parser cannot see. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Invocation } from "./Invocation.ts"

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
            remedy: "write -- before the command, so that its flags are not taken for redd's"
          })
        )
  )
