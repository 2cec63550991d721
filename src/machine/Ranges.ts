/**
 * Ranges of 65,536 host ids, each the ids of one machine.
 *
 * A range is leased by a link in /run/redd/ranges that names the machine's record: symlink(2) is the exclusion, for all
 * state folders of the host. The lease is a step: the record that holds the range is stored before it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Files from "../host/Files.ts"
import { endOfRanges, firstRange, type MachineKey, type MachineRecord, rangeSize } from "../record/MachineRecord.ts"

const folder = "/run/redd/ranges"
const count = (endOfRanges - firstRange) / rangeSize

/** A range that is free now, from one that the key decides on. */
export const choose = (key: MachineKey): Effect.Effect<number, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const reserved = parseSubordinates(Option.getOrElse(yield* Files.readText("/etc/subuid"), () => ""))
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

/** Leases the record's range. AlreadyExists where another machine was quicker. */
export const lease = (record: MachineRecord): Effect.Effect<void, PlatformError.PlatformError> =>
  record.isolation === "none"
    ? Effect.void
    : Effect.andThen(Files.makeFolder(folder), Files.link(recordOf(record), `${folder}/${record.range}`))

/** Gives the range back, if it is the record's. */
export const giveBack = (record: MachineRecord): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const path = `${folder}/${record.range}`
    if (Option.contains(yield* Files.readLink(path), recordOf(record))) yield* Files.remove(path)
  })

/** `name:first:count` lines of subuid(5), as first and end. */
export const parseSubordinates = (text: string): ReadonlyArray<readonly [number, number]> =>
  text.split("\n").flatMap((line) => {
    const [, first, size] = line.split(":")
    return isCount(first) && isCount(size) ? [[Number(first), Number(first) + Number(size)] as const] : []
  })

const isCount = Schema.is(Schema.String.pipe(Schema.check(Schema.isPattern(/^\d+$/))))
const recordOf = (record: MachineRecord) => `${record.root}/records/${record.key}.json`
