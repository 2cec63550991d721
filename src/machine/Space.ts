/** Room for machines: enough before one is begun, and whether one has used it all up. */
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Files from "../host/Files.ts"
import { formatSize } from "../host/Quantity.ts"
import type * as Tool from "../host/Tool.ts"
import * as Tree from "../host/Tree.ts"
import { type MachineRecord, treeOf } from "../record/MachineRecord.ts"

/** Too little is free on the state folder's file system to begin with a machine. */
export class SpaceShort extends Schema.TaggedError<SpaceShort>()("SpaceShort", {
  root: Schema.String,
  freeBytes: Schema.Number,
  reserveBytes: Schema.Number
}) {
  override get message(): string {
    return `Only ${formatSize(this.freeBytes)} are free at ${this.root}, and ${formatSize(this.reserveBytes)} are kept in reserve.`
  }
  get hint(): string {
    return "free some space (redd gc, redd image remove), grow the pool (redd setup --pool), or lower limits.reserve"
  }
}

/** What is kept free where nobody says otherwise. */
export const defaultReserveBytes = 256 * 2 ** 20

/** Fails where less than the reserve is free. btrfs gives back what was deleted a little later: that is waited for. */
export const check = (
  root: string,
  reserveBytes: number
): Effect.Effect<void, SpaceShort | Tool.ToolError | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const first = yield* Files.fileSystem(root)
    if (first.freeBytes >= reserveBytes) return
    if (first.magic === Tree.magic.btrfs) yield* Tree.awaitDeleted(root)
    const { freeBytes } = yield* Files.fileSystem(root)
    if (freeBytes < reserveBytes) return yield* new SpaceShort({ root, freeBytes, reserveBytes })
  })

/** True where the machine's root has no room left: what failed in it may have failed for that. */
export const isFull = (record: MachineRecord): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Effect.map(
    Files.fileSystem(treeOf(record)),
    ({ freeBytes, freeInodes, inodes }) => freeBytes < leastBytes || (inodes > 0 && freeInodes === 0)
  )

/** A writer that met ENOSPC leaves a little behind: the last block that did not fit. */
const leastBytes = 4 * 2 ** 20
