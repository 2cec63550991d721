/** What a file system has left (statfs(2)). */
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Files from "./Files.ts"

export interface Space {
  /** Bytes that users other than root can still write: what a machine's own ids get. */
  readonly freeBytes: number
  readonly totalBytes: number
  /** Files that can still be made; None where the file system has no such limit (btrfs). */
  readonly freeFiles: Option.Option<number>
}

/** What is left on the file system that `path` is on. */
export const read = (path: string): Effect.Effect<Space, PlatformError.PlatformError> =>
  Effect.map(
    Files.attempt("statfs", path, () => fs.statfs(path)),
    (stats) => ({
      freeBytes: stats.bavail * stats.bsize,
      totalBytes: stats.blocks * stats.bsize,
      freeFiles: stats.files === 0 ? Option.none() : Option.some(stats.ffree)
    })
  )

/** True where the folder is on a file system that is mounted read-only, or that went read-only (EROFS of access(2)). */
export const isReadOnly = (path: string): Effect.Effect<boolean> =>
  Effect.promise(() =>
    fs.access(path, constants.W_OK).then(
      () => false,
      (cause) => cause instanceof Error && "code" in cause && cause.code === "EROFS"
    )
  )
