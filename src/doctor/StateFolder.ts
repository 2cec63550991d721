/** The state folder: can it be written, and what is left on its file system. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Files from "../host/Files.ts"
import * as Space from "../host/Space.ts"
import * as Quantity from "../record/Quantity.ts"
import { type Finding, failed, ok, warning } from "./Finding.ts"

export interface FolderFacts {
  readonly root: string
  readonly readOnly: boolean
  readonly space: Space.Space
}

/** Bytes that shall be free, where the configuration says nothing. */
export const defaultReserveBytes = 2 ** 30
/** Less than this is nothing: records, locks and the door's files need some. */
const leastBytes = 2 ** 20
const leastFiles = 64
/** A machine makes some hundred files when it boots, and its job more. */
const fewFiles = 10_000

/** The decisions. */
export const stateFolder = (facts: FolderFacts, reserveBytes: number): ReadonlyArray<Finding> => {
  const { root, space } = facts
  const writable = facts.readOnly
    ? failed("state", `the file system of ${root} is read-only`, `mount -o remount,rw ${root}; see dmesg for why`)
    : ok("state", root)
  return [writable, bytes(root, space, reserveBytes), ...Option.toArray(Option.map(space.freeFiles, files(root)))]
}

/** Facts of the folder, or of the nearest one above that exists. */
export const read = (root: string): Effect.Effect<FolderFacts, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    let path = root
    while (path !== "/" && !(yield* Files.exists(path))) path = path.slice(0, path.lastIndexOf("/")) || "/"
    return { root, readOnly: yield* Space.isReadOnly(path), space: yield* Space.read(path) }
  })

const bytes = (root: string, { freeBytes, totalBytes }: Space.Space, reserveBytes: number): Finding => {
  const free = `${Quantity.formatSize(freeBytes)} of ${Quantity.formatSize(totalBytes)} are free at ${root}`
  if (freeBytes < leastBytes) return failed("space", `no space is left at ${root}`, remedy)
  if (freeBytes < reserveBytes)
    return warning("space", `${free}, less than the reserve of ${Quantity.formatSize(reserveBytes)}`, remedy)
  return ok("space", free)
}

const files =
  (root: string) =>
  (free: number): Finding => {
    if (free < leastFiles) return failed("inodes", `no inodes are left at ${root}: no file can be made`, remedy)
    if (free < fewFiles) return warning("inodes", `${free} inodes are left at ${root}`, remedy)
    return ok("inodes", `${free} are free`)
  }

const remedy = "redd gc; redd image remove NAME"
