/** A log that never takes more than twice its size: what a file has no room for goes into a new one, and one old one stays. */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Files from "./Files.ts"

export interface LogFile {
  /** Adds to the end. What a full disk does not take is lost: a log must not stop what it tells of. */
  write(bytes: Uint8Array): Effect.Effect<void>
}

/** Where the older part of a log is. */
export const olderOf = (path: string): string => `${path}.1`

/** Opens a log to be added to, until the scope closes. */
export const open = (
  path: string,
  mostBytes: number
): Effect.Effect<LogFile, PlatformError.PlatformError, Scope.Scope> =>
  Effect.gen(function* () {
    const openIt = () =>
      fs.openSync(
        path,
        fs.constants.O_WRONLY | fs.constants.O_APPEND | fs.constants.O_CREAT | fs.constants.O_NOFOLLOW,
        0o600
      )
    let fd = yield* Files.attempt("open", path, openIt)
    yield* Effect.addFinalizer(() => Effect.sync(() => fs.closeSync(fd)))
    let sizeBytes = fs.fstatSync(fd).size
    const turn = () => {
      fs.renameSync(path, olderOf(path))
      const next = openIt()
      fs.closeSync(fd)
      fd = next
      sizeBytes = 0
    }
    return {
      write: (bytes) =>
        Effect.ignore(
          Files.attempt("write", path, () => {
            if (sizeBytes > 0 && sizeBytes + bytes.length > mostBytes) turn()
            fs.writeSync(fd, bytes)
            sizeBytes += bytes.length
          })
        )
    }
  })
