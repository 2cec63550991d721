/** The machine that others made. A file of its own: a run needs it, and nothing else of a machine's life. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { keyOf, type MachineId, type MachineRecord } from "../record/MachineRecord.ts"
import { Records, type RecordUnreadable } from "../record/Records.ts"

/** No machine has this id. */
export class MachineNotFound extends Schema.TaggedError<MachineNotFound>()("MachineNotFound", { id: Schema.String }) {
  override get message(): string {
    return `There is no machine "${this.id}".`
  }
  get hint(): string {
    return "make it with redd prepare; redd list shows those that exist"
  }
}

/** The record of a machine that was acquired and has not been released. It may have died since. */
export const attach = (
  id: MachineId
): Effect.Effect<MachineRecord, MachineNotFound | RecordUnreadable | PlatformError.PlatformError, Records> =>
  Effect.gen(function* () {
    const records = yield* Records
    const record = yield* records.find(keyOf(records.root, id))
    if (Option.isNone(record)) return yield* new MachineNotFound({ id })
    return record.value
  })
