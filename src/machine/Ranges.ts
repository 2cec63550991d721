/**
 * Ranges of 65,536 host ids, each the ids of one machine.
 *
 * A range is leased by a link in /run/redd/ranges that names the machine's record: symlink(2) is the exclusion, for all
 * state folders of the host. The lease is the first step and the last to be undone: whatever has a machine's name on this
 * host (unit, cgroup, mount) has its lease as well. So a machine that shares the host's ids has one too, without a range.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Files from "../host/Files.ts"
import * as Subordinates from "../host/Subordinates.ts"
import {
  endOfRanges,
  fileOf,
  firstRange,
  type MachineKey,
  type MachineRecord,
  rangeSize
} from "../record/MachineRecord.ts"

const folder = "/run/redd/ranges"
const count = (endOfRanges - firstRange) / rangeSize

/** A range that is free now, from one that the key decides on. */
export const choose = (key: MachineKey): Effect.Effect<number, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const reserved = yield* Subordinates.read
    const start = Number.parseInt(key.slice(-8), 16) % count
    for (let tried = 0; tried < count; tried++) {
      const range = firstRange + ((start + tried) % count) * rangeSize
      if (reserved.some(([first, end]) => range < end && first < range + rangeSize)) continue
      // Where systemd-nspawn --private-users=pick notes the ranges that it took for others.
      const taken =
        (yield* Files.exists(`${folder}/${range}`)) || (yield* Files.exists(`/run/systemd/nspawn-uid/${range}`))
      if (!taken) return range
    }
    return firstRange
  })

/** Another machine took the range between the choice and the lease: choose again. */
export class RangeTaken extends Schema.TaggedError<RangeTaken>()("RangeTaken", { range: Schema.Int }) {
  override get message(): string {
    return `Another machine has just taken the ids from ${this.range}.`
  }
  get hint(): string {
    return "try again"
  }
}

/** Leases the record's range. */
export const lease = (record: MachineRecord): Effect.Effect<void, RangeTaken | PlatformError.PlatformError> =>
  Files.makeFolder(folder).pipe(
    Effect.andThen(Files.link(fileOf(record), leaseOf(record))),
    Effect.catchIf(
      (error) => error.reason._tag === "AlreadyExists",
      () => Effect.fail(new RangeTaken({ range: record.range }))
    )
  )

/** Gives the range back, if it is the record's. */
export const giveBack = (record: MachineRecord): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const path = leaseOf(record)
    if (Option.contains(yield* Files.readLink(path), fileOf(record))) yield* Files.remove(path)
  })

/** A lease on this host: its file, and the record that it names. */
export interface Lease {
  readonly path: string
  readonly record: string
  /** The key of its machine. */
  readonly key: string
}

/** Every lease on this host, of every state folder. */
export const leases: Effect.Effect<ReadonlyArray<Lease>, PlatformError.PlatformError> = Effect.suspend(() =>
  Effect.gen(function* () {
    const found: Array<Lease> = []
    for (const name of yield* Files.list(folder)) {
      const path = `${folder}/${name}`
      const record = yield* Files.readLink(path)
      if (Option.isNone(record)) continue
      const key = record.value.slice(record.value.lastIndexOf("/") + 1).replace(/\.json$/, "")
      found.push({ path, record: record.value, key })
    }
    return found
  })
)

const leaseOf = ({ isolation, key, range }: MachineRecord) => `${folder}/${isolation === "none" ? key : range}`
