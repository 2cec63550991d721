/** The state folder: can it be written, and what is left on its file system. */
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as Files from "../host/Files.ts"
import * as Quantity from "../host/Quantity.ts"
import * as Space from "../machine/Space.ts"
import { type Finding, failed, ok, warning } from "./Finding.ts"

export interface FolderFacts {
  readonly root: string
  readonly readOnly: boolean
  readonly space: Files.FileSystem
}

/** What prepare keeps free, where the configuration says nothing. */
export const { defaultReserveBytes } = Space
/** Less than this is soon used up. */
const fewBytes = 2 ** 30
const leastFiles = 64
/** A machine makes some hundred files when it boots, and its job more. */
const fewFiles = 10_000

/** The decisions. */
export const stateFolder = (facts: FolderFacts, reserveBytes: number): ReadonlyArray<Finding> => {
  const { root, space } = facts
  const writable = facts.readOnly
    ? failed("state", `the file system of ${root} is read-only`, `mount -o remount,rw ${root}; see dmesg for why`)
    : ok("state", root)
  return [writable, bytes(root, space, reserveBytes), ...(space.inodes === 0 ? [] : [files(root, space.freeInodes)])]
}

/** Facts of the folder, or of the nearest one above that exists. */
export const read = (root: string): Effect.Effect<FolderFacts, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    let path = root
    while (path !== "/" && !(yield* Files.exists(path))) path = path.slice(0, path.lastIndexOf("/")) || "/"
    return { root, readOnly: yield* Files.isReadOnly(path), space: yield* Files.fileSystem(path) }
  })

const bytes = (root: string, { freeBytes, sizeBytes }: Files.FileSystem, reserveBytes: number): Finding => {
  const free = `${Quantity.formatSize(freeBytes)} of ${Quantity.formatSize(sizeBytes)} are free at ${root}`
  if (freeBytes < reserveBytes)
    return failed("space", `${free}, less than the reserve of ${Quantity.formatSize(reserveBytes)}`, remedy)
  if (freeBytes < fewBytes) return warning("space", free, remedy)
  return ok("space", free)
}

const files = (root: string, free: number): Finding => {
  if (free < leastFiles) return failed("inodes", `no inodes are left at ${root}: no file can be made`, remedy)
  if (free < fewFiles) return warning("inodes", `${free} inodes are left at ${root}`, remedy)
  return ok("inodes", `${free} are free`)
}

const remedy = "redd gc; redd image remove NAME"
