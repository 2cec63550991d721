/** Machines that died, that their owner left, that were never finished; strays; and records that cannot be read. */
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import type { Images } from "../image/Images.ts"
import * as Machine from "../machine/Machine.ts"
import { Records } from "../record/Records.ts"
import { type Finding, ok, warning } from "./Finding.ts"

export interface MachineFacts {
  readonly alive: number
  readonly stale: ReadonlyArray<{ readonly id: string; readonly reason: string }>
  /** Keys of what has a machine's name and no record. */
  readonly strays: ReadonlyArray<string>
  readonly unreadable: ReadonlyArray<{ readonly message: string; readonly hint: string }>
}

/** The decisions. Stale machines do not stop the next one; they hold its disk, its ids and its inotify instances. */
export const machines = ({ alive, stale, strays, unreadable }: MachineFacts): ReadonlyArray<Finding> => {
  const ids = stale.map(({ id, reason }) => `"${id}" (${reason})`).join(", ")
  return [
    stale.length === 0
      ? ok("machines", `${alive} running, none stale`)
      : warning("machines", `${stale.length} ${stale.length === 1 ? "is" : "are"} stale: ${ids}`, "redd gc", {
          _tag: "Collect"
        }),
    ...(strays.length === 0
      ? []
      : [warning("strays", `without a record: ${strays.join(", ")}`, "redd gc --remove-strays")]),
    ...unreadable.map(({ hint, message }) => warning("record", message, hint))
  ]
}

/** What gc would do. */
export const read: Effect.Effect<MachineFacts, PlatformError.PlatformError, Records | Images> = Effect.gen(
  function* () {
    const { collected, failed, strays } = yield* Machine.collect({ dryRun: true })
    const records = (yield* (yield* Records).list).filter((listed) => listed._tag === "Record").length
    return {
      alive: Math.max(0, records - collected.length),
      stale: collected,
      strays: strays.map((stray) => stray.machine),
      unreadable: failed.map((error) => ({
        message: error.message,
        hint: Predicate.hasProperty(error, "hint") ? String(error.hint) : ""
      }))
    }
  }
)
