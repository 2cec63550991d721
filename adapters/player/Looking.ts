/** How players do: what their files say, and what is seen of them. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type Manager, Players, Slice, type SliceName } from "../../src/index.ts"

/** No player of this name was started here. */
export class PlayerNotFound extends Schema.TaggedError<PlayerNotFound>()("PlayerNotFound", {
  player: Schema.String,
  existing: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `There is no player "${this.player}".`
  }
  get hint(): string {
    return this.existing.length === 0
      ? "there are none: redd player start"
      : `players here: ${this.existing.join(", ")}`
  }
}

/** A player, as a program reads it. */
export interface Row {
  readonly name: string
  readonly state: Players.Phase
  readonly command: ReadonlyArray<string>
  readonly manager: string
  /** The process that supervises it; null where that is gone. */
  readonly supervisor: number | null
  readonly processes: ReadonlyArray<{ readonly pid: number; readonly command: string }>
  readonly memoryBytes: number
  readonly cpuMs: number
  /** When its oldest process started. */
  readonly since: string | null
  readonly restarts: number
  readonly said: string | null
  readonly log: string | null
}

/** What is seen of a player, whatever its file says. */
const look = (manager: Manager.Manager, record: Players.PlayerRecord) =>
  Effect.gen(function* () {
    const found = yield* Slice.find(record.name, manager)
    const status = Option.isSome(found) ? yield* found.value.status : undefined
    const processes = status?.processes ?? []
    const supervisor = Option.flatMap(found, ({ owner }) => owner)
    const isOver = record.phase === "ended" || record.phase === "failed"
    const state: Players.Phase =
      Option.isSome(supervisor) || isOver ? record.phase : processes.length > 0 ? "left" : "ended"
    return {
      name: record.name,
      state,
      command: record.spec.command,
      manager: record.manager,
      supervisor: Option.match(supervisor, { onNone: () => null, onSome: ({ pid }) => pid }),
      processes: processes.map(({ command, pid }) => ({ pid, command })),
      memoryBytes: status?.memoryBytes ?? 0,
      cpuMs: status?.cpuMs ?? 0,
      since: Option.match(status?.sinceMs ?? Option.none<number>(), {
        onNone: () => null,
        onSome: (ms) => new Date(ms).toISOString()
      }),
      restarts: record.restarts,
      said: record.said ?? null,
      log: record.log ?? null
    } satisfies Row
  })

/** Every player, by name, each seen by the manager that holds it, and what could not be read. */
export const all = <E, R>(
  manager: Manager.Manager,
  managerOf: (name: Manager.ManagerName) => Effect.Effect<Manager.Manager, E, R>
) =>
  Effect.gen(function* () {
    const { players, unreadable } = yield* Players.list(manager)
    const rows = yield* Effect.forEach(players, (record) =>
      record.manager === manager.name
        ? look(manager, record)
        : Effect.flatMap(managerOf(record.manager), (holder) => look(holder, record))
    )
    return { rows, unreadable }
  })

/** The player's file; PlayerNotFound where there is none. */
export const get = (manager: Manager.Manager, name: SliceName.SliceName) =>
  Effect.gen(function* () {
    const record = yield* Players.find(manager, name)
    if (Option.isSome(record)) return record.value
    const { players } = yield* Players.list(manager)
    return yield* new PlayerNotFound({ player: name, existing: players.map((each) => each.name) })
  })

export const one = (manager: Manager.Manager, name: SliceName.SliceName) =>
  Effect.flatMap(get(manager, name), (record) => look(manager, record))
