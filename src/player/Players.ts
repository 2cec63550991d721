/**
 * Players that outlive who started them: what each is and how it does, a file for each.
 *
 * Only who has the player's slice writes its file, so a file tells of the supervisor that is, or was the last one. What
 * plays is seen by the slice; the file is never believed about that.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Files from "../host/Files.ts"
import { type Manager, ManagerName } from "../slice/Manager.ts"
import { keyOf, SliceName } from "../slice/SliceName.ts"
import { PlayerSpec } from "./PlayerSpec.ts"

/** What a supervisor has come to. `left` is for who looks: it is gone, and something of the player is not. */
export const Phase = Schema.Literals(["starting", "playing", "waiting", "ended", "failed", "left"])
export type Phase = typeof Phase.Type

export const PlayerRecord = Schema.Struct({
  version: Schema.Literal(1),
  name: SliceName,
  manager: ManagerName,
  spec: PlayerSpec,
  phase: Phase,
  /** When it came to that, Unix time. */
  sinceMs: Schema.Number,
  /** How often it was started anew. */
  restarts: Schema.Number,
  /** How it ended the last time, or why nothing plays: a sentence. */
  said: Schema.optionalKey(Schema.String),
  /** Where its output goes, if it goes into a file. */
  log: Schema.optionalKey(Schema.String)
})
export type PlayerRecord = typeof PlayerRecord.Type

/** A player's file is there and makes no sense. */
export class PlayerUnreadable extends Schema.TaggedError<PlayerUnreadable>()("PlayerUnreadable", {
  file: Schema.String
}) {
  override get message(): string {
    return `Cannot read ${this.file}: a newer redd wrote it, or something that is not redd.`
  }
  get hint(): string {
    return "use the redd that made it, or remove the file: what plays can still be stopped by its name"
  }
}

/** Where the files of all players are. */
export const folderOf = (manager: Manager): string => `${manager.folder}/players`

/** Where the files of a player of this name begin. */
export const placeOf = (manager: Manager, name: SliceName): string =>
  `${folderOf(manager)}/${keyOf(manager.folder, name)}`

const fileOf = (manager: Manager, name: SliceName) => `${placeOf(manager, name)}${suffix}`

/** The player of this name; None where none was started, or it was stopped. */
export const find = (
  manager: Manager,
  name: SliceName
): Effect.Effect<Option.Option<PlayerRecord>, PlayerUnreadable | PlatformError.PlatformError> =>
  read(fileOf(manager, name))

/** All of them, by name, and the files that cannot be read. */
export const list = (
  manager: Manager
): Effect.Effect<
  { readonly players: ReadonlyArray<PlayerRecord>; readonly unreadable: ReadonlyArray<PlayerUnreadable> },
  PlatformError.PlatformError
> =>
  Effect.gen(function* () {
    const names = (yield* Files.list(folderOf(manager))).filter((name) => name.endsWith(suffix))
    const players: Array<PlayerRecord> = []
    const unreadable: Array<PlayerUnreadable> = []
    for (const name of names) {
      const found = yield* read(`${folderOf(manager)}/${name}`).pipe(
        Effect.catchTag("PlayerUnreadable", (error) => Effect.succeed(error))
      )
      if (found instanceof PlayerUnreadable) unreadable.push(found)
      else if (Option.isSome(found)) players.push(found.value)
    }
    return { players: players.sort((one, other) => (one.name < other.name ? -1 : 1)), unreadable }
  })

/** Replaces a player's file whole. */
export const store = (manager: Manager, record: PlayerRecord): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    yield* Files.makeFolder(folderOf(manager), 0o700)
    yield* Files.write(fileOf(manager, record.name), yield* Effect.orDie(encode(record)))
  })

/** Forgets a player, and what who was killed as it wrote that down left; its log stays. Absent is a success. */
export const forget = (manager: Manager, name: SliceName): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.andThen(Files.remove(fileOf(manager, name)), Files.removeTemporary(fileOf(manager, name)))

const read = (file: string) =>
  Effect.gen(function* () {
    const text = yield* Files.readText(file)
    if (Option.isNone(text)) return Option.none<PlayerRecord>()
    return Option.some(yield* Effect.mapError(decode(text.value), () => new PlayerUnreadable({ file })))
  })

const suffix = ".json"
const Json = Schema.fromJsonString(PlayerRecord)
const decode = Schema.decodeUnknownEffect(Json)
const encode = Schema.encodeEffect(Json)
