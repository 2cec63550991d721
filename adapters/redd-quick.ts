/** `redd run`, `exec`, `prepare`, `cleanup`, and the stages of `redd gitlab`, as nearly everybody writes them. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Quick from "./cli/Quick.ts"
import * as QuickGitlab from "./gitlab/QuickGitlab.ts"
import { args, main } from "./main.ts"

const quick = Option.orElse(Option.map(Quick.parse(args, process.env), Quick.perform), () =>
  Option.map(QuickGitlab.parse(args, process.env), QuickGitlab.perform)
)

/** False: nothing was done, and the full command line says what is wrong, or does what was meant. */
export const understood: boolean = Option.isSome(quick)

if (Option.isSome(quick)) main(Effect.asVoid(quick.value))
