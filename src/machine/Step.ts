/**
 * A machine is made by one list of steps, walked forwards, and taken away by the same list, walked backwards.
 *
 * Both halves of a step are functions of the record alone, and every undo is idempotent: absent is success. So release
 * never asks how far acquire came; it undoes every step.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { BackendError } from "../backend/Backend.ts"
import type { EngineError } from "../engine/Engine.ts"
import * as Files from "../host/Files.ts"
import type { MachineRecord } from "../record/MachineRecord.ts"
import type { RangeTaken } from "./Ranges.ts"
import type { BootFailed } from "./Ready.ts"

export type StepError = BackendError | EngineError | RangeTaken | BootFailed

export interface Step {
  readonly name: string
  readonly do: (record: MachineRecord) => Effect.Effect<void, StepError>
  readonly undo: (record: MachineRecord) => Effect.Effect<void, StepError>
}

/** Some steps of a machine could not be undone: it is not gone, and its record is kept so that gc tries again. */
export class ReleaseFailed extends Schema.TaggedError<ReleaseFailed>()("ReleaseFailed", {
  id: Schema.String,
  left: Schema.Array(Schema.Struct({ step: Schema.String, reason: Schema.String, hint: Schema.String }))
}) {
  override get message(): string {
    return `Machine "${this.id}" is not quite gone: ${this.left.map(({ reason, step }) => `${step}: ${reason}`).join("; ")}`
  }
  get hint(): string {
    return [...this.left.flatMap(({ hint }) => (hint === "" ? [] : [hint])), "redd gc tries again"].join("; ")
  }
}

/** Walks the rows forwards; steps of one row have nothing to do with each other. The first failure ends it. */
export const forwards = (
  rows: ReadonlyArray<ReadonlyArray<Step>>,
  record: MachineRecord
): Effect.Effect<void, StepError> =>
  Effect.forEach(
    rows,
    (row) =>
      Effect.forEach(row, (step) => Effect.withSpan(step.do(record), `do ${step.name}`), {
        concurrency: "unbounded",
        discard: true
      }),
    { discard: true }
  )

/** Walks the whole list backwards, whatever fails on the way, and then says what did. */
export const backwards = (steps: ReadonlyArray<Step>, record: MachineRecord): Effect.Effect<void, ReleaseFailed> =>
  Effect.gen(function* () {
    const left: Array<{ readonly step: string; readonly reason: string; readonly hint: string }> = []
    for (const step of [...steps].reverse()) {
      const undone = yield* Effect.result(Effect.withSpan(step.undo(record), `undo ${step.name}`))
      if (undone._tag === "Success") continue
      const error = undone.failure
      const reason = error._tag === "PlatformError" ? Files.explain(error) : error.message
      left.push({ step: step.name, reason, hint: "hint" in error ? error.hint : "" })
    }
    if (left.length > 0) return yield* new ReleaseFailed({ id: record.id, left })
  })
