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

/** The failure; with the findings of the doctor's cheap checks, where it may be the host's fault and they find something. */
export const explain = <E extends { readonly _tag: string; readonly message: string }>(
  root: string,
  error: E
): Effect.Effect<never, E | Explained> =>
  Effect.gen(function* () {
    if (!suspicious.has(error._tag)) return yield* Effect.fail(error)
    const console = Predicate.hasProperty(error, "console") ? String(error.console) : ""
    const found = yield* Doctor.suspect({ root, said: `${error.message}\n${console}` })
    if (found.length === 0) return yield* Effect.fail(error)
    return yield* new Explained({
      failure: isPlatformError(error) ? `${Files.explain(error)}.` : error.message,
      findings: found.map(({ check, message }) => `${check}: ${message}`),
      remedies: [...new Set(found.map(({ remedy }) => remedy).filter((remedy) => remedy !== ""))],
      console
    })
  })

/** Errors that do not say themselves what a person must do. */
const suspicious: ReadonlySet<string> = new Set(["BootFailed", "ToolFailed", "PlatformError"])
