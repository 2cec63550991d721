/** A command line of effect's as this process. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import { args, main } from "./main.ts"
import { Invocation } from "./terminal/Invocation.ts"
import * as Presenter from "./terminal/Presenter.ts"
import { version } from "./terminal/Version.ts"

/** Parses, explains and performs; `usageCode` is the exit code of a command line that makes no sense. */
export const runFull = <Name extends string, Input, Context, E>(
  command: Command.Command<Name, Input, Context, E, Invocation>,
  usageCode: number
): void =>
  main(
    Command.runWith(command, { version })(args).pipe(
      Effect.catchIf(CliError.isCliError, (error) =>
        Effect.flatMap(Invocation, ({ exitWith }) =>
          // The presenter has spoken already. Help that was asked for is no failure.
          exitWith(error._tag === "ShowHelp" && error.errors.length === 0 && args.length > 0 ? 0 : usageCode)
        )
      ),
      Effect.provide(Layer.merge(NodeServices.layer, Presenter.layer))
    )
  )
