/** A machine that stays though its work is done. A file of its own: a run may need it, and nothing else of a machine's life. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import type * as Tool from "../host/Tool.ts"
import type { MachineRecord } from "../record/MachineRecord.ts"
import { type MachineBusy, Records, type RecordUnreadable } from "../record/Records.ts"

/**
 * Keeps a machine until a moment (ms since 1970), at which gc releases it, and not before its lifetime is over; undefined:
 * no longer. `isDone`: nothing else needs it any more, so that moment is its lifetime's end as well. Says so in its record
 * only: whoever would release it looks there. A machine that is gone by now is nobody's to keep.
 */
export const keep = (
  machine: Pick<MachineRecord, "key" | "id">,
  untilMs: number | undefined,
  options: { readonly isDone?: boolean } = {}
): Effect.Effect<void, MachineBusy | RecordUnreadable | Tool.ToolError | PlatformError.PlatformError, Records> =>
  Effect.scoped(
    Effect.gen(function* () {
      const records = yield* Records
      yield* records.hold(machine.key, machine.id, Duration.seconds(10))
      const found = yield* records.find(machine.key)
      if (Option.isNone(found)) return
      const { keptUntilMs: _, ...record } = found.value
      const kept = untilMs === undefined ? record : { ...record, keptUntilMs: untilMs }
      yield* records.store(options.isDone === true && untilMs !== undefined ? { ...kept, expiresMs: untilMs } : kept)
      yield* records.persist(record)
    })
  )
