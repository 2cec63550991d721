/**
 * A player that plays on when the command that started it has ended: another process of ours supervises it.
 *
 * What it shall do is in a file of ours alone: no variable stands on a command line. It answers in files beside that, first
 * who it is and then what became of the start; they lie in a folder that goes with who asks, and a late answer with it. Who
 * was killed is in the folder's name: the next start or stop takes that away.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Digest, Files, Host, Manager, Players, PlayerSpec, Process, SliceName, Tree } from "../../src/index.ts"
import { exitCodeOf } from "../terminal/ExitCodes.ts"
import { Invocation } from "../terminal/Invocation.ts"
import { exitCodes, paragraph } from "../terminal/Paragraph.ts"
import * as Say from "../terminal/Say.ts"
import * as Supervising from "./Supervising.ts"

/** The process that was to supervise a player did not say what became of it. */
export class SupervisorSilent extends Schema.TaggedError<SupervisorSilent>()("SupervisorSilent", {
  player: Schema.String,
  log: Schema.String
}) {
  override get message(): string {
    return `What was to supervise the player "${this.player}" has not begun, or has ended without a word.`
  }
  get hint(): string {
    return `look at ${this.log}, and try it in the foreground: redd player start --foreground`
  }
}

const Order = Schema.fromJsonString(
  Schema.Struct({ name: SliceName.SliceName, manager: Manager.ManagerName, spec: PlayerSpec.PlayerSpec })
)
const Begun = Schema.fromJsonString(Host.ProcessIdentity)
/** What was printed, and the exit code of who started it. */
const Outcome = Schema.fromJsonString(Schema.Struct({ code: Schema.Int, said: Schema.String }))

/** Starts a player and returns when it is ready. Interrupted, it ends what it has started, and no other of that name. */
export const start = (manager: Manager.Manager, name: SliceName.SliceName, spec: PlayerSpec.PlayerSpec) =>
  Effect.gen(function* () {
    const { environment, exitWith, program } = yield* Invocation
    const unit = `redd_player_${Digest.freshMachineId()}`
    const { pid, startTicks } = yield* Host.self
    const folder = `${Players.placeOf(manager, name)}.${pid}-${startTicks}${suffix}`
    yield* sweep(manager)
    const order = `${folder}/order`
    const answer = <A>(schema: Schema.Codec<A, string>, part: string) =>
      Effect.map(Files.readText(`${order}.${part}`), Option.flatMap(Schema.decodeUnknownOption(schema)))
    let supervisor = Option.none<Process.Process>()
    const outcome = yield* Effect.scoped(
      Effect.gen(function* () {
        yield* Effect.acquireRelease(Files.makeFolder(folder, 0o700), () => Effect.ignore(Tree.remove(folder)))
        const text = yield* Effect.orDie(Schema.encodeEffect(Order)({ name, manager: manager.name, spec }))
        yield* Files.write(order, text)
        const runtimeFolder = environment["XDG_RUNTIME_DIR"]
        yield* manager.detach({
          unit,
          description: `redd player ${name.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 100)}`,
          command: [program, ...wordsFor(order)],
          environment: runtimeFolder === undefined ? {} : { XDG_RUNTIME_DIR: runtimeFolder }
        })
        const silent = new SupervisorSilent({ player: name, log: Supervising.logOf(manager, name) })
        const begun = yield* awaited(answer(Begun, "begun")).pipe(
          Effect.timeoutOption(mostTimeToBegin),
          Effect.flatMap((found) => (Option.isSome(found) ? Effect.succeed(found.value) : Effect.fail(silent)))
        )
        supervisor = yield* Process.find(begun.pid)
        const isGone = Effect.gen(function* () {
          while (yield* Host.isAlive(begun)) yield* Effect.sleep("100 millis")
          // Its last word may have come just before.
          const last = yield* answer(Outcome, "outcome")
          return Option.isSome(last) ? last.value : yield* silent
        })
        return yield* Effect.raceFirst(awaited(answer(Outcome, "outcome")), isGone)
      })
    ).pipe(
      // One that has not said that it begins finds no order any more.
      Effect.onInterrupt(() =>
        Option.isNone(supervisor)
          ? Effect.void
          : Effect.andThen(Process.signal(supervisor.value.pid, "SIGTERM"), Process.awaitEnd(supervisor.value))
      )
    )
    yield* Say.note(outcome.said)
    yield* exitWith(outcome.code)
  })

/** Takes away the orders of those who were killed before they had an answer. */
export const sweep = (manager: Manager.Manager) =>
  Effect.gen(function* () {
    const bootId = yield* Host.bootId
    for (const entry of yield* Files.list(Players.folderOf(manager))) {
      const [, pid, startTicks = ""] = /\.(\d+)-(\d+)\.order$/.exec(entry) ?? []
      if (pid === undefined || (yield* Host.isAlive({ pid: Number(pid), startTicks, bootId }))) continue
      yield* Tree.remove(`${Players.folderOf(manager)}/${entry}`)
    }
  })

const suffix = ".order"

/** The command line of the other process, and the order in it. */
const wordsFor = (order: string) => ["player", "supervise", order]
export const orderOf = ([front, command, order, ...rest]: ReadonlyArray<string>): Option.Option<string> =>
  front === "player" && command === "supervise" && order !== undefined && rest.length === 0
    ? Option.some(order)
    : Option.none()

const mostTimeToBegin = Duration.seconds(30)

/** Looks until there is an answer. */
const awaited = <A, E>(look: Effect.Effect<Option.Option<A>, E>): Effect.Effect<A, E> =>
  Effect.gen(function* () {
    for (;;) {
      const found = yield* look
      if (Option.isSome(found)) return found.value
      yield* Effect.sleep("20 millis")
    }
  })

/** What the other process does: supervises what an order says. */
export const obey = <E, R>(
  manager: (name: Manager.ManagerName) => Effect.Effect<Manager.Manager, E, R>,
  order: string
) =>
  Effect.gen(function* () {
    const text = Option.getOrElse(yield* Files.readText(order), () => "")
    const { manager: wanted, name, spec } = yield* Schema.decodeUnknownEffect(Order)(text)
    const say = <A>(schema: Schema.Codec<A, string>, part: string, value: A) =>
      Effect.flatMap(Effect.orDie(Schema.encodeEffect(schema)(value)), (said) => Files.write(`${order}.${part}`, said))
    yield* say(Begun, "begun", yield* Host.self)
    let answered = false
    const answer = (code: number, said: string) =>
      Effect.suspend(() => {
        if (answered) return Effect.void
        answered = true
        return Effect.ignore(say(Outcome, "outcome", { code, said }))
      })
    yield* Effect.scoped(
      Effect.gen(function* () {
        const supervising = yield* Supervising.begin({
          manager: yield* manager(wanted),
          name,
          logs: true,
          on: (event) => (event._tag === "Ready" ? answer(0, `redd: player "${name}" is ready`) : Effect.void)
        })
        const outcome = yield* supervising.supervise(spec)
        yield* outcome._tag === "Stopped"
          ? answer(exitCodes.failed, `redd: player "${name}" was stopped`)
          : answer(Supervising.codeOf(outcome), `redd: player "${name}" ${outcome.reason}`)
      })
    ).pipe(Effect.tapError((error) => answer(exitCodeOf(error), paragraph(error))))
  })
