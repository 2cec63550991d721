/** Why a machine could not be made, where the host's limits are why: "inotify", and not "failed to allocate manager object". */
import * as Effect from "effect/Effect"
import { isPlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { Doctor, Files } from "../../src/index.ts"

/** What failed, with what the doctor finds wrong with the host at that moment. */
export class Explained extends Schema.TaggedError<Explained>()("Explained", {
  failure: Schema.String,
  findings: Schema.Array(Schema.String),
  remedies: Schema.Array(Schema.String),
  /** The last lines of the machine's console, if there are any. */
  console: Schema.String
}) {
  override get message(): string {
    return [this.failure, ...this.findings.map((finding) => `${finding}.`)].join(" ")
  }
  get hint(): string {
    return [...this.remedies, "redd doctor says more"].join("; ")
  }
}

/** Makes a machine; where that fails for what may be the host's fault, the cheap checks of the doctor speak as well. */
export const explained =
  (root: string) =>
  <A, E extends { readonly _tag: string; readonly message: string }, R>(
    acquire: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | Explained, R> =>
    Effect.catch(acquire, (error: E): Effect.Effect<A, E | Explained, R> => {
      if (!suspicious.has(error._tag)) return Effect.fail(error)
      const console = Predicate.hasProperty(error, "console") ? String(error.console) : ""
      const findings = Doctor.suspect({ root, said: `${error.message}\n${console}` })
      return Effect.flatMap(findings, (found): Effect.Effect<never, E | Explained> => {
        if (found.length === 0) return Effect.fail(error)
        return Effect.fail(
          new Explained({
            failure: isPlatformError(error) ? `${Files.explain(error)}.` : error.message,
            findings: found.map(({ check, message }) => `${check}: ${message}`),
            remedies: [...new Set(found.map(({ remedy }) => remedy).filter((remedy) => remedy !== ""))],
            console
          })
        )
      })
    })

/** Errors that do not say themselves what a person must do. */
const suspicious: ReadonlySet<string> = new Set(["BootFailed", "ToolFailed", "PlatformError"])
