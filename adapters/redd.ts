/**
 * The command `redd`, which loads no more than the command line asks for: most of a start is loading.
 *
 * `run`, `exec`, `prepare`, `cleanup` and the stages of `gitlab` have a bundle of their own, which leaves to the full one
 * what it does not understand.
 */
import { load } from "./load.ts"

const [, , command = ""] = process.argv
// Shared flags may stand before `gitlab`.
const quick = ["run", "exec", "prepare", "cleanup"].includes(command) || process.argv.includes("gitlab")
if (!quick || load("redd-quick.cjs")["understood"] !== true) load("redd-full.cjs")
