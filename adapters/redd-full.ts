/** Every command of redd. */
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import { commands } from "./cli/Cli.ts"
import * as Contract from "./executor/Contract.ts"
import { runFull } from "./full.ts"
import { gitlab, isGitlab } from "./gitlab/Gitlab.ts"
import { args, main } from "./main.ts"
import { exitCodes } from "./terminal/Paragraph.ts"
import { player, supervise } from "./player/Player.ts"
import { redd } from "./terminal/Redd.ts"

// A runner takes 125 for an unknown failure.
const usageCode = isGitlab(args) ? Contract.read(process.env).systemFailureCode : exitCodes.failed

const supervising = supervise(args)
if (Option.isSome(supervising)) main(supervising.value)
else runFull(redd.pipe(Command.withSubcommands([...commands, gitlab, player])), usageCode)
