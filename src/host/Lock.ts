/**
 * A lock that dies with its process.
 *
 * Node cannot flock(2), but a lock belongs to the open file description: `flock 3` in a child that inherits our
 * descriptor locks it for us, until we close it or die. The tools that are run under a lock inherit it: killed, we leave a
 * lock that is held until the last of them has ended, so that nobody works against an orphaned cp or btrfs.
 *
 * Lock files lie in /run: a state folder that is full or read-only can still be locked. A file goes with its lock; who
 * gets a lock looks whether the file that it locked is still the one at the path, and tries again where it is not.
 */
import * as fs from "node:fs"
import { constants } from "node:fs"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Files from "./Files.ts"
import * as Tool from "./Tool.ts"

/** Another live process holds the lock. */
export class LockHeld extends Schema.TaggedError<LockHeld>()("LockHeld", {
  path: Schema.String,
  /** Who took it; null where that was not written down. Tools of its may go on after it was killed. */
  pid: Schema.NullOr(Schema.Number)
}) {
  override get message(): string {
    return `${this.pid === null ? "Another process" : `Process ${this.pid}`} holds ${this.path}.`
  }
  get hint(): string {
    return "try again when it has finished"
  }
}

const folder = "/run/redd/locks"

/**
 * Holds the lock of this name, which is a file's, until the scope closes. Waits at most `patience` for another holder,
 * then LockHeld.
 */
export const hold = (
  name: string,
  patience: Duration.Duration
): Effect.Effect<void, LockHeld | Tool.ToolError | PlatformError.PlatformError, Scope.Scope> =>
  Effect.gen(function* () {
    const fd = yield* take(folder, name, patience)
    // For who finds it held; the lock itself does not depend on it.
    yield* Effect.ignore(say(fd, String(process.pid)))
    yield* Effect.updateServiceScoped(Tool.Inherited, (descriptors) => [...descriptors, fd])
  })

/**
 * The same in any folder, for who has no part in root's: the descriptor that the lock belongs to, which only those tools
 * inherit that are given it.
 */
export const take = (
  folder: string,
  name: string,
  patience: Duration.Duration
): Effect.Effect<number, LockHeld | Tool.ToolError | PlatformError.PlatformError, Scope.Scope> =>
  Effect.suspend(() => {
    const path = `${folder}/${name}`
    const attempt: Effect.Effect<number, LockHeld | Tool.ToolError | PlatformError.PlatformError, Scope.Scope> =
      Effect.gen(function* () {
        const fd = yield* open(path)
        yield* Tool.run(
          "flock",
          ["--timeout", String(Duration.toSeconds(patience)), "--conflict-exit-code", "75", "3"],
          {
            descriptors: [fd],
            inherits: false
          }
        ).pipe(
          Effect.catchIf(
            (error) => error._tag === "ToolFailed" && error.code === 75,
            () => Effect.flatMap(Files.readText(path), (text) => Effect.fail(new LockHeld({ path, pid: pidIn(text) })))
          )
        )
        const ours = yield* Files.attempt("fstat", path, () => fs.fstatSync(fd))
        const there = yield* Files.find(path)
        if (there._tag === "None" || there.value.inode !== ours.ino) return yield* attempt
        yield* Effect.addFinalizer(() => Effect.ignore(Files.remove(path)))
        return fd
      })
    return Effect.gen(function* () {
      yield* Files.makeFolder(folder, 0o700)
      // A try that failed leaves nothing open.
      const scope = yield* Scope.fork(yield* Effect.scope)
      return yield* Effect.onError(Scope.provide(attempt, scope), () => Scope.close(scope, Exit.void))
    })
  })

const pidIn = (text: Option.Option<string>) => Number(Option.getOrElse(text, () => "")) || null

/** Says something of its holder in a lock's file, for who finds it held. */
export const say = (fd: number, text: string): Effect.Effect<void, PlatformError.PlatformError> =>
  Files.attempt("write", "the lock's file", () => {
    fs.ftruncateSync(fd)
    fs.writeSync(fd, text, 0)
  })

/** What the last holder of a lock said of itself, if it did. */
export const said = (folder: string, name: string): Effect.Effect<Option.Option<string>, PlatformError.PlatformError> =>
  Files.readText(`${folder}/${name}`)

/** Does `use` under the lock of this name, or nothing where somebody holds it. */
export const ifFree = <E, R>(
  name: string,
  use: Effect.Effect<void, E, R>
): Effect.Effect<void, E | Tool.ToolError | PlatformError.PlatformError, Exclude<R, Scope.Scope>> =>
  Effect.scoped(
    Effect.matchEffect(hold(name, Duration.zero), {
      onFailure: (error) => (error._tag === "LockHeld" ? Effect.void : Effect.fail(error)),
      onSuccess: () => use
    })
  )

/**
 * Holds one of `places` places until the scope closes, and waits until one is free. The files stay: they are few, and
 * deleting one would make room for one holder more.
 */
export const holdPlace = (
  name: string,
  places: number
): Effect.Effect<void, LockHeld | Tool.ToolError | PlatformError.PlatformError, Scope.Scope> =>
  Effect.gen(function* () {
    const room = `${folder}/.${name}`
    yield* Files.makeFolder(room, 0o700)
    const files: Array<number> = []
    for (let place = 0; place < places; place++) files.push(yield* open(`${room}/${place}`))
    const attempt = Tool.run("/bin/sh", ["-c", firstFree, "redd", ...files.map((_, index) => String(index + 3))], {
      descriptors: files,
      inherits: false
    }).pipe(
      Effect.as(true),
      Effect.catchIf(
        (error) => error._tag === "ToolFailed" && error.code === 75,
        () => Effect.succeed(false)
      )
    )
    if (yield* attempt) return
    // Only the first in the queue looks again and again.
    yield* Effect.scoped(
      Effect.andThen(
        hold(`${name}.queue`, Duration.hours(24)),
        Effect.repeat(Effect.delay(attempt, "50 millis"), { while: (held) => !held })
      )
    )
  })

const firstFree = 'for n; do flock --nonblock "$n" && exit; done; exit 75'

const open = (path: string): Effect.Effect<number, PlatformError.PlatformError, Scope.Scope> =>
  Effect.acquireRelease(
    Files.attempt("open", path, () =>
      fs.openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
    ),
    (fd) => Effect.sync(() => fs.closeSync(fd))
  )

/** Deletes lock files that nobody holds: who held them was killed. */
export const sweep: Effect.Effect<void, Tool.ToolError | PlatformError.PlatformError> = Effect.suspend(() =>
  Effect.flatMap(Files.list(folder), (names) =>
    Effect.forEach(
      names.filter((name) => !name.startsWith(".")),
      (name) => ifFree(name, Effect.void),
      { discard: true }
    )
  )
)
