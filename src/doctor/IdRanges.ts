/** Ranges of ids that machines can still be given. */
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as Files from "../host/Files.ts"
import * as Subordinates from "../host/Subordinates.ts"
import { endOfRanges, firstRange, rangeSize } from "../record/MachineRecord.ts"
import { type Finding, failed, ok, warning } from "./Finding.ts"

export interface RangeFacts {
  /** First ids that Redd leased to machines, and that systemd-nspawn picked for its own. */
  readonly taken: ReadonlyArray<number>
  /** What /etc/subuid gives to users. */
  readonly reserved: ReadonlyArray<Subordinates.Span>
}

/** The decision. */
export const idRanges = ({ reserved, taken }: RangeFacts, machines: number): Finding => {
  const lost = new Set<number>()
  for (const [first, end] of reserved) {
    const begin = Math.max(0, Math.floor((first - firstRange) / rangeSize))
    const past = Math.min(count, Math.ceil((end - firstRange) / rangeSize))
    for (let index = begin; index < past; index++) lost.add(index)
  }
  const leased = new Set(taken.map((first) => (first - firstRange) / rangeSize).filter((index) => !lost.has(index)))
  const free = count - lost.size - leased.size
  const message = `${free} of ${count} ranges of ids are free; ${leased.size} in use, ${lost.size} given to users by /etc/subuid`
  if (free <= 0)
    return failed("id ranges", message, lost.size > leased.size ? "shrink what /etc/subuid gives" : "redd gc")
  if (free < machines) return warning("id ranges", message, "shrink what /etc/subuid gives")
  return ok("id ranges", message)
}

export const read: Effect.Effect<RangeFacts, PlatformError.PlatformError> = Effect.gen(function* () {
  const leases = [...(yield* Files.list("/run/redd/ranges")), ...(yield* Files.list("/run/systemd/nspawn-uid"))]
  return {
    taken: leases.flatMap((name) => {
      const first = /^\d+$/.test(name) ? Number(name) : 0
      return first >= firstRange && first < endOfRanges ? [first] : []
    }),
    reserved: yield* Subordinates.read
  }
})

const count = (endOfRanges - firstRange) / rangeSize
