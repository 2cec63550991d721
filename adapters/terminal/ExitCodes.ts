/** The exit code that each failure of Redd's own has: the one table. */
import * as Predicate from "effect/Predicate"
import { exitCodes } from "./Paragraph.ts"

/** Everything that is not here is 125: Redd failed. */
const byTag: Readonly<Record<string, number>> = {
  ScriptUnreadable: exitCodes.notFound,
  CommandNotFound: exitCodes.notFound,
  CommandNotExecutable: exitCodes.notExecutable
}

export const exitCodeOf = (error: unknown): number =>
  (Predicate.hasProperty(error, "_tag") && typeof error._tag === "string" ? byTag[error._tag] : undefined) ??
  exitCodes.failed
