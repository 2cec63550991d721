/** Every command of redd, by effect's command line: parsed, explained and performed. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import { commands } from "./cli/Cli.ts"
import { gitlab } from "./gitlab/Gitlab.ts"
import { args, main } from "./main.ts"
import { Invocation } from "./terminal/Invocation.ts"
import { exitCodes } from "./terminal/Paragraph.ts"
import * as Presenter from "./terminal/Presenter.ts"
import { redd } from "./terminal/Redd.ts"
import { version } from "./terminal/Version.ts"

const cli = redd.pipe(Command.withSubcommands([...commands, gitlab]))

main(
  Command.runWith(cli, { version })(args).pipe(
    Effect.catchIf(CliError.isCliError, (error) =>
      Effect.flatMap(Invocation, ({ exitWith }) =>
        // The presenter has spoken already. Help that was asked for is no failure.
        exitWith(error._tag === "ShowHelp" && error.errors.length === 0 && args.length > 0 ? 0 : exitCodes.failed)
      )
    ),
    Effect.provide(Layer.merge(NodeServices.layer, Presenter.layer))
  )
)
