/**
 * What a stage tells GitLab Runner by its end: a job's script failed, or we did, and never one for the other.
 *
 * A script's failure is one exit code for all of them, and the script's own code in a file. That file is one for the
 * whole job and nobody clears it: it is removed before a stage begins and written whole.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { Exec, Files, type MachineRecord } from "../../src/index.ts"
import type { Configuration } from "../terminal/Configuration.ts"
import type { Ended } from "../terminal/Here.ts"
import { Invocation } from "../terminal/Invocation.ts"
import { endInWords, fullInWords, paragraph } from "../terminal/Paragraph.ts"
import * as Say from "../terminal/Say.ts"
import * as Contract from "./Contract.ts"

/** How a stage ended, for GitLab. */
export type Verdict =
  | { readonly _tag: "Success" }
  /** The job's own doing. `code` is what its author is shown, and may allow. */
  | { readonly _tag: "BuildFailure"; readonly code: number; readonly words?: string }
  /** Not the job's doing. */
  | { readonly _tag: "SystemFailure"; readonly words: string }

/** What the end of a script says. */
export const judge = ({ diskFull, exit }: Ended, record: Pick<MachineRecord.MachineRecord, "root">): Verdict => {
  const words = `redd: ${endInWords(exit) ?? ""}`
  if (exit._tag === "Cancelled")
    return { _tag: "SystemFailure", words: "redd: GitLab ended this stage: the job was cancelled, or its time was up" }
  if (exit._tag === "MachineGone") return { _tag: "SystemFailure", words }
  if (diskFull)
    return { _tag: "SystemFailure", words: `redd: ${fullInWords(record)}, which is why the script may have failed` }
  const code = Exec.exitCode(exit)
  if (exit._tag !== "Exited") return { _tag: "BuildFailure", code, words }
  return code === 0 ? { _tag: "Success" } : { _tag: "BuildFailure", code }
}

/** Failures of a job's author, and not of ours: another try would end like this one. Everything else is ours. */
const authors: ReadonlySet<string> = new Set(["ImageRefused", "WishInvalid"])

/** What a front gives to every stage. */
export interface Call<E, R> {
  /** The configuration, read inside of the stage: what is wrong with it is said as everything else is. */
  readonly settings: Effect.Effect<Configuration, E, R>
  /** The machine's id, where the command line names it. */
  readonly id?: MachineRecord.MachineId | undefined
}

/**
 * Runs a stage to its verdict, and makes that the process's end. What fails in it is said in a paragraph. From its
 * beginning a signal is the stage's own to act on, so that whoever ends it meets an exit code that GitLab knows.
 */
export const stage = <E, R, R2>(
  { id, settings }: Call<E, R>,
  body: (contract: Contract.Contract, loaded: Configuration) => Effect.Effect<Verdict, unknown, R2>
): Effect.Effect<void, never, R | R2 | Invocation> =>
  Effect.gen(function* () {
    const { claimSignal, environment, exitWith } = yield* Invocation
    const contract = Contract.read(environment, id)
    const { buildFailureCode, exitCodeFile, systemFailureCode } = contract
    yield* exitWith(systemFailureCode)
    yield* Effect.forkScoped(claimSignal)
    const verdict = yield* forget(exitCodeFile).pipe(
      Effect.andThen(settings),
      Effect.flatMap((loaded) => body(contract, loaded)),
      Effect.tap((found) => (found._tag === "BuildFailure" ? store(exitCodeFile, found.code) : Effect.void)),
      Effect.catchCause((cause) => {
        if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
        const error = Cause.squash(cause)
        const words = paragraph(error)
        return Effect.succeed<Verdict>(
          Predicate.hasProperty(error, "_tag") && authors.has(String(error._tag))
            ? { _tag: "BuildFailure", code: buildFailureCode, words }
            : { _tag: "SystemFailure", words }
        )
      })
    )
    if (verdict._tag === "Success") return yield* exitWith(0)
    if (verdict.words !== undefined) yield* Say.note(verdict.words)
    yield* exitWith(verdict._tag === "BuildFailure" ? buildFailureCode : systemFailureCode)
  }).pipe(Effect.scoped, Effect.orDie)

const forget = (file: string | undefined) => (file === undefined ? Effect.void : Files.remove(file))

/** Whole or not at all; for a runner that is not root, too. */
const store = (file: string | undefined, code: number) =>
  file === undefined ? Effect.void : Files.write(file, `${code}\n`, 0o644)
