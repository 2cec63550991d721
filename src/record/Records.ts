/**
 * The records of this state folder's machines: one folder, one file for each machine.
 *
 * A record is stored before its machine's first side effect and forgotten after the last one is undone, so what a
 * killed process left behind is always named here. For that reason no record lies in a tree that release deletes.
 *
 * A power cut may take a record that is not persisted yet, or leave an empty file of it. It ends all that runs as well,
 * and a machine's folder that stays is known by its name.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Files from "../host/Files.ts"
import * as Host from "../host/Host.ts"
import * as Lock from "../host/Lock.ts"
import type * as Tool from "../host/Tool.ts"
import { fileOf, keyOf, type MachineId, MachineKey, MachineRecord } from "./MachineRecord.ts"

/** A record is there and makes no sense: a newer redd wrote it, or something that is not redd. */
export class RecordUnreadable extends Schema.TaggedError<RecordUnreadable>()("RecordUnreadable", {
  key: Schema.String,
  file: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `Cannot read the record of machine ${this.key}: ${this.file}.`
  }
  get hint(): string {
    return "use the redd that made it, or repair the file"
  }
}

/** The state folder cannot be used by us. */
export class StateUnusable extends Schema.TaggedError<StateUnusable>()("StateUnusable", {
  root: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `Cannot use the state folder ${this.root}: ${this.reason}.`
  }
  get hint(): string {
    return "run redd as root, or choose another folder with --root"
  }
}

/** Another redd prepares or removes this machine right now, and did not finish while we waited. */
export class MachineBusy extends Schema.TaggedError<MachineBusy>()("MachineBusy", { id: Schema.String }) {
  override get message(): string {
    return `Another redd is preparing or removing machine "${this.id}".`
  }
  get hint(): string {
    return "try again when it has finished"
  }
}

/** What `list` finds in one file. */
export type Listed =
  | { readonly _tag: "Record"; readonly record: MachineRecord }
  | { readonly _tag: "Unreadable"; readonly error: RecordUnreadable }

export class Records extends Context.Service<
  Records,
  {
    /** The state folder, absolute, links resolved. */
    readonly root: string
    /** The record of `key`. None is an answer, not an error: a second cleanup is a success. */
    find(key: MachineKey): Effect.Effect<Option.Option<MachineRecord>, RecordUnreadable | PlatformError.PlatformError>
    /** Replaces the record whole: whoever is killed from here on, it is found. */
    store(record: MachineRecord): Effect.Effect<void, PlatformError.PlatformError>
    /** Once this returns, a power cut cannot lose what was stored (fsync(2), file then folder). */
    persist(record: MachineRecord): Effect.Effect<void, PlatformError.PlatformError>
    /** Forgets `key`. Called last: from here on, nobody could find what is left. */
    forget(key: MachineKey): Effect.Effect<void, PlatformError.PlatformError>
    /** Every record, by key. One that cannot be read does not hide the others. */
    readonly list: Effect.Effect<ReadonlyArray<Listed>, PlatformError.PlatformError>
    /** Deletes records that were never whole: who wrote them was killed. */
    readonly sweep: Effect.Effect<void, Tool.ToolError | PlatformError.PlatformError>
    /** The right to acquire or release `key`, until the scope closes. A holder that dies loses it. */
    hold(
      key: MachineKey,
      id: MachineId,
      patience: Duration.Duration
    ): Effect.Effect<void, MachineBusy | Tool.ToolError | PlatformError.PlatformError, Scope.Scope>
  }
>()("redd/record/Records") {}

/** The records below a state folder, which is made when it is not there. */
export const layer = (stateFolder: string): Layer.Layer<Records, StateUnusable> =>
  Layer.effect(
    Records,
    Effect.gen(function* () {
      if (!Host.isRoot()) return yield* new StateUnusable({ root: stateFolder, reason: "we are not root" })
      yield* Files.makeFolder(stateFolder, 0o700)
      const root = yield* Files.realPath(stateFolder)
      for (const name of ["records", "machines", "images", "cache"]) yield* Files.makeFolder(`${root}/${name}`, 0o700)

      const find = Effect.fn("Records.find")(function* (key: MachineKey) {
        const file = fileOf({ root, key })
        const text = yield* Files.readText(file)
        if (Option.isNone(text)) return Option.none<MachineRecord>()
        const record = yield* Effect.mapError(decode(text.value), (cause) => new RecordUnreadable({ key, file, cause }))
        // All that undoes a machine is computed from its record: one that names another's things is not followed.
        if (
          record.key !== key ||
          record.root !== root ||
          keyOf(root, record.id) !== key ||
          !record.cgroup.includes(key)
        )
          return yield* new RecordUnreadable({ key, file, cause: "it names things of another machine" })
        return Option.some(record)
      })

      return Records.of({
        root,
        find,
        store: Effect.fn("store record")(function* (record: MachineRecord) {
          yield* Files.write(fileOf(record), yield* encode(record))
        }),
        persist: Effect.fn("persist record")((record: MachineRecord) => Files.persist(fileOf(record))),
        forget: Effect.fn("forget record")((key: MachineKey) => Files.remove(fileOf({ root, key }))),
        list: Effect.gen(function* () {
          const listed: Array<Listed> = []
          for (const name of yield* Files.list(`${root}/records`)) {
            if (!name.endsWith(".json")) continue
            const key = name.slice(0, -".json".length)
            const unreadable = (cause: unknown): Listed => ({
              _tag: "Unreadable",
              error: new RecordUnreadable({ key, file: `${root}/records/${name}`, cause })
            })
            const found = isKey(key) ? yield* Effect.result(find(key)) : undefined
            if (found === undefined) listed.push(unreadable("not a machine key"))
            else if (found._tag === "Success") {
              // None: forgotten since the folder was listed.
              if (Option.isSome(found.success)) listed.push({ _tag: "Record", record: found.success.value })
            } else if (found.failure._tag === "RecordUnreadable")
              listed.push({ _tag: "Unreadable", error: found.failure })
            else return yield* found.failure
          }
          return listed
        }),
        sweep: Effect.gen(function* () {
          for (const name of yield* Files.list(`${root}/records`)) {
            if (!name.endsWith(".json.new")) continue
            yield* Lock.ifFree(name.slice(0, -".json.new".length), Files.remove(`${root}/records/${name}`))
          }
        }),
        hold: (key, id, patience) =>
          Lock.hold(key, patience).pipe(Effect.catchTag("LockHeld", () => Effect.fail(new MachineBusy({ id }))))
      })
    }).pipe(
      Effect.catchTag("PlatformError", (error) =>
        Effect.fail(new StateUnusable({ root: stateFolder, reason: Files.explain(error) }))
      )
    )
  )

const isKey = Schema.is(MachineKey)
const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(MachineRecord))
/** A record in memory has been decoded or made: encoding it cannot fail. */
const encode = (record: MachineRecord) =>
  Effect.orDie(Schema.encodeEffect(Schema.fromJsonString(MachineRecord))(record))
