/**
 * A lock that dies with its process.
 *
 * Node cannot flock(2), but a lock belongs to the open file description: `flock 3` in a child that inherits our
 * descriptor locks it for us, until we close it or die. The lock file goes with the lock. For that reason who gets the
 * lock looks whether the file that it locked is still the one at the path, and tries again where it is not.
 */
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Files from "./Files.ts"
import * as Tool from "./Tool.ts"

/** Another live process holds the lock. */
export class LockHeld extends Schema.TaggedError<LockHeld>()("LockHeld", { path: Schema.String }) {
  override get message(): string {
    return `Another process holds ${this.path}.`
  }
  get hint(): string {
    return "try again when it has finished"
  }
}

/** Holds the lock at `path` until the scope closes. Waits at most `patience` for another holder, then LockHeld. */
export const hold = (
  path: string,
  patience: Duration.Duration
): Effect.Effect<void, LockHeld | Tool.ToolError | PlatformError.PlatformError, Scope.Scope> =>
  Effect.suspend(() => {
    const attempt: Effect.Effect<void, LockHeld | Tool.ToolError | PlatformError.PlatformError, Scope.Scope> =
      Effect.gen(function* () {
        const file = yield* Effect.acquireRelease(
          Files.attempt("open", path, () =>
            fs.open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
          ),
          (file) => Effect.promise(() => file.close())
        )
        yield* Tool.run(
          "flock",
          ["--timeout", String(Duration.toSeconds(patience)), "--conflict-exit-code", "75", "3"],
          {
            descriptor: file.fd
          }
        ).pipe(
          Effect.catchIf(
            (error) => error._tag === "ToolFailed" && error.code === 75,
            () => Effect.fail(new LockHeld({ path }))
          )
        )
        const ours = yield* Files.attempt("fstat", path, () => file.stat())
        const there = yield* Files.find(path)
        if (there._tag === "None" || there.value.inode !== ours.ino) return yield* attempt
        yield* Effect.addFinalizer(() => Effect.ignore(Files.remove(path)))
      })
    return attempt
  })
