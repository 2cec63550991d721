/** Machines that died, that their owner left, that were never finished; and records that cannot be read. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Engine from "../engine/Engine.ts"
import * as Host from "../host/Host.ts"
import type * as Tool from "../host/Tool.ts"
import type { MachineRecord } from "../record/MachineRecord.ts"
import { Records, type RecordUnreadable } from "../record/Records.ts"
import { type Finding, ok, warning } from "./Finding.ts"

export interface MachineFacts {
  readonly alive: number
  readonly stale: ReadonlyArray<{ readonly id: string; readonly reason: string }>
  readonly unreadable: ReadonlyArray<Pick<RecordUnreadable, "message" | "hint">>
}

/** The decisions. Stale machines do not stop the next one; they hold its disk, its ids and its inotify instances. */
export const machines = ({ alive, stale, unreadable }: MachineFacts): ReadonlyArray<Finding> => {
  const ids = stale.map(({ id, reason }) => `"${id}" (${reason})`).join(", ")
  return [
    stale.length === 0
      ? ok("machines", `${alive} running, none stale`)
      : warning("machines", `${stale.length} ${stale.length === 1 ? "is" : "are"} stale: ${ids}`, "redd gc", {
          _tag: "Collect"
        }),
    ...unreadable.map(({ hint, message }) => warning("record", message, hint))
  ]
}

export const read: Effect.Effect<MachineFacts, Tool.ToolError | PlatformError.PlatformError, Records> = Effect.gen(
  function* () {
    const records = yield* Records
    let alive = 0
    const stale: Array<{ readonly id: string; readonly reason: string }> = []
    const unreadable: Array<RecordUnreadable> = []
    for (const listed of yield* records.list) {
      if (listed._tag === "Unreadable") {
        unreadable.push(listed.error)
        continue
      }
      const reason = yield* whyStale(listed.record)
      if (Option.isNone(reason)) alive += 1
      // Another redd may be making or removing it at this moment: only who gets the lock knows.
      else if (yield* isIdle(listed.record)) stale.push({ id: listed.record.id, reason: reason.value })
    }
    return { alive, stale, unreadable }
  }
)

/** As gc sees it (`Machine.collect`), but for the lock. */
const whyStale = (record: MachineRecord): Effect.Effect<Option.Option<string>, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if (!record.ready) return Option.some("half made")
    if (!(yield* Engine.hasPayload(record))) return Option.some("dead")
    if (record.owner !== undefined && !(yield* Host.isAlive(record.owner))) return Option.some("owner gone")
    return Option.none()
  })

const isIdle = ({ id, key }: MachineRecord) =>
  Effect.flatMap(Records, (records) => records.hold(key, id, Duration.zero)).pipe(
    Effect.scoped,
    Effect.as(true),
    Effect.catchTag("MachineBusy", () => Effect.succeed(false))
  )
