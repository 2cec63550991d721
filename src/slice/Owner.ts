/**
 * Who has a slice: one live process, by a lock that dies with it.
 *
 * Who holds the lock is the only one that may start anything in the slice, so who gets it may stop all of it and know that
 * nothing comes after. A process that wants another's slice stopped asks for that, on a FIFO of the slice's folder.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fifo from "../host/Fifo.ts"
import * as Files from "../host/Files.ts"
import * as Host from "../host/Host.ts"
import * as Lock from "../host/Lock.ts"
import * as Process from "../host/Process.ts"
import type * as Tool from "../host/Tool.ts"
import type { Manager } from "./Manager.ts"
import { lockOf, type SliceKey, type SliceName } from "./SliceName.ts"

/** A live process has the slice. */
export class SliceTaken extends Schema.TaggedError<SliceTaken>()("SliceTaken", {
  slice: Schema.String,
  pid: Schema.Number,
  command: Schema.String
}) {
  override get message(): string {
    return `The slice "${this.slice}" is running: process ${this.pid} (${this.command}) has it.`
  }
  get hint(): string {
    return "stop it first, or choose another name"
  }
}

/** The folder that slices keep their things in is not ours alone. */
export class FolderNotOurs extends Schema.TaggedError<FolderNotOurs>()("FolderNotOurs", { folder: Schema.String }) {
  override get message(): string {
    return `Somebody else could write to ${this.folder}, so nothing is kept there.`
  }
  get hint(): string {
    return `look who made it (ls -ld ${this.folder}), and remove it`
  }
}

export type OwnerError = SliceTaken | FolderNotOurs | Tool.ToolError | PlatformError.PlatformError

/** What a slice keeps for a moment: FIFOs. */
export const folderOf = (manager: Manager, key: SliceKey): string => `${manager.folder}/slices/${key}`

/**
 * Takes a slice for this process until the scope closes. Fails with SliceTaken while another live process has it; what
 * a killed one was just starting is waited for.
 */
export const take = (
  manager: Manager,
  name: SliceName,
  key: SliceKey
): Effect.Effect<number, OwnerError, Scope.Scope> =>
  Effect.gen(function* () {
    yield* claimFolder(manager.folder)
    for (let tries = 0; tries < 150; tries++) {
      const held = yield* Lock.take(locksOf(manager), lockOf(key), Duration.millis(200)).pipe(
        Effect.map(Option.some),
        Effect.catchTag("LockHeld", () => Effect.succeed(Option.none()))
      )
      if (Option.isSome(held)) {
        yield* Lock.say(held.value, yield* encode({ ...(yield* Host.self), command: Process.ourCommand() }))
        return held.value
      }
      const owner = yield* find(manager, key)
      if (Option.isSome(owner)) {
        return yield* new SliceTaken({ slice: name, pid: owner.value.pid, command: owner.value.command })
      }
    }
    return yield* new SliceTaken({ slice: name, pid: 0, command: "unknown" })
  })

/** A process that has a slice, as it said of itself. */
export interface Owner {
  readonly pid: number
  readonly command: string
}

/** The live process that has a slice. */
export const find = (
  manager: Manager,
  key: SliceKey
): Effect.Effect<Option.Option<Owner>, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const said = Option.flatMap(yield* Lock.said(locksOf(manager), lockOf(key)), decode)
    if (Option.isNone(said) || !(yield* Host.isAlive(said.value))) return Option.none()
    // One that ended and was not waited for holds nothing any more.
    const living = yield* Process.living([said.value.pid])
    return living.length === 0 ? Option.none() : Option.some(said.value)
  })

/** What another process wants of a slice. */
export interface Request {
  readonly graceMs: number
  readonly signal: NodeJS.Signals
}

/** What others ask for, as long as the scope is open. */
export const requests = (
  manager: Manager,
  key: SliceKey
): Effect.Effect<
  Stream.Stream<Request, PlatformError.PlatformError>,
  Tool.ToolError | PlatformError.PlatformError,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const folder = folderOf(manager, key)
    yield* Effect.addFinalizer(() => Effect.ignore(forget(manager, key)))
    yield* Files.makeFolder(folder, 0o700)
    const path = `${folder}/${fifo}`
    yield* Files.remove(path)
    yield* Fifo.make([path])
    const reader = yield* Fifo.openReader(path)
    // As long as we write to it ourselves, it has no end.
    yield* Fifo.hold(path, "")
    return Stream.unfold("", (rest) =>
      Effect.gen(function* () {
        const bytes = yield* reader.next(Effect.never)
        if (Option.isNone(bytes)) return undefined
        const lines = (rest + new TextDecoder("latin1").decode(bytes.value)).slice(-mostRequestCharacters).split("\n")
        const next = lines.pop() ?? ""
        return [lines.flatMap((line) => parse(line) ?? []), next] as const
      })
    ).pipe(Stream.flatMap((found) => Stream.fromIterable(found)))
  })

/** Asks whoever has a slice to stop it; false where nobody listens. */
export const ask = (
  manager: Manager,
  key: SliceKey,
  request: Request
): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Fifo.tell(`${folderOf(manager, key)}/${fifo}`, `stop ${request.graceMs} ${request.signal}\n`)

/** Where a command of the slice, whoever runs it, reaches a socket of ours: nothing else lies in that folder. */
export const socketOf = (manager: Manager, key: SliceKey): string => `${manager.folder}/sockets/${key}`

/** Takes away what a slice that is stopped kept. */
export const forget = (manager: Manager, key: SliceKey): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const folder = folderOf(manager, key)
    for (const name of yield* Files.list(folder)) yield* Files.remove(`${folder}/${name}`)
    yield* Files.removeFolder(folder)
    yield* Files.remove(socketOf(manager, key))
  })

/** The lock of a slice, for who does not mean to have it: waits at most `patience`. */
export const hold = (
  manager: Manager,
  key: SliceKey,
  patience: Duration.Duration
): Effect.Effect<number, Lock.LockHeld | FolderNotOurs | Tool.ToolError | PlatformError.PlatformError, Scope.Scope> =>
  Effect.andThen(claimFolder(manager.folder), Lock.take(locksOf(manager), lockOf(key), patience))

const parse = (line: string): Request | undefined => {
  const [, graceMs, signal = ""] = /^stop (\d{1,9}) (SIG[A-Z0-9]{1,10})$/.exec(line) ?? []
  return graceMs === undefined || !Process.isSignal(signal) ? undefined : { graceMs: Number(graceMs), signal }
}

/** In /tmp, anybody could have made it before us. */
const claimFolder = (folder: string) =>
  Effect.gen(function* () {
    yield* Files.makeFolder(folder, 0o755)
    const found = yield* Files.find(folder)
    const isOurs = Option.exists(
      found,
      ({ kind, mode, uid }) => kind === "directory" && uid === Host.user().uid && (mode & 0o022) === 0
    )
    if (!isOurs) return yield* new FolderNotOurs({ folder })
  })

const locksOf = (manager: Manager) => `${manager.folder}/locks`
const fifo = "ask"
const mostRequestCharacters = 4096

const Identity = Schema.fromJsonString(Schema.Struct({ ...Host.ProcessIdentity.fields, command: Schema.String }))
const decode = Schema.decodeUnknownOption(Identity)
const encode = (identity: typeof Identity.Type) => Effect.orDie(Schema.encodeEffect(Identity)(identity))
