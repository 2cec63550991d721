/** `redd run`, `exec`, `prepare` and `cleanup` as nearly everybody writes them. */
import * as Option from "effect/Option"
import * as Quick from "./cli/Quick.ts"
import { args, main } from "./main.ts"

const quick = Quick.parse(args, process.env)

/** False: nothing was done, and the full command line says what is wrong, or does what was meant. */
export const understood: boolean = Option.isSome(quick)

if (Option.isSome(quick)) main(Quick.perform(quick.value))
