/**
 * Supervision: a command that is kept running in a slice.
 *
 * There is at most one of it: before it is started again, all that the last one left is stopped, and what cannot be stopped
 * is an error. Each player has its slice and its own end; nothing that happens to one is heard by another.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Child from "../host/Child.ts"
import type { Limits } from "../host/Limits.ts"
import * as Text from "../host/Text.ts"
import * as Tool from "../host/Tool.ts"
import * as Command from "../slice/Command.ts"
import type { Manager } from "../slice/Manager.ts"
import type { Options, Run, RunError } from "../slice/Run.ts"
import * as Slice from "../slice/Slice.ts"
import type { SliceName } from "../slice/SliceName.ts"
import type { StopOptions } from "../slice/Stop.ts"
import * as Inhibitor from "./Inhibitor.ts"
import * as LastLines from "./LastLines.ts"
import * as Liveness from "./Liveness.ts"
import * as Notify from "./Notify.ts"
import * as Readiness from "./Readiness.ts"
import * as Restart from "./Restart.ts"

/** A command, and how it is kept running. */
export interface Player {
  readonly command: Command.Words
  readonly folder?: string | undefined
  /** All of its environment, as of a slice's run; NOTIFY_SOCKET and WATCHDOG_USEC are added where they are wanted. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  readonly user?: string | undefined
  readonly limits?: Limits | undefined
  /** It plays on when its command has ended, for as long as anything that that has started. */
  readonly forking?: boolean | undefined
  /** `Restart.usual` when absent. */
  readonly restart?: Restart.Restart | undefined
  /** Immediately when absent. */
  readonly ready?: Readiness.Ready | undefined
  /** What is not ready by then is stopped, and has failed; a minute when absent. */
  readonly readyWithin?: Duration.Duration | undefined
  /** When absent, it is alive as long as its process is. */
  readonly live?: Liveness.Live | undefined
  /** How it is stopped: SIGTERM and ten seconds when absent. */
  readonly stop?: StopOptions | undefined
  /** What the host shall not do while it plays, where the host lets itself be kept from it. */
  readonly inhibit?: ReadonlyArray<Inhibitor.What> | undefined
  /** Called with what it writes, which it waits for. Thrown away when absent, but for the last lines. */
  readonly output?: ((bytes: Uint8Array, from: "stdout" | "stderr") => Effect.Effect<void>) | undefined
}

/** What happens, as it happens. */
export type Event =
  | { readonly _tag: "Started"; readonly pid: number }
  | { readonly _tag: "Ready" }
  /** What it says of itself by sd_notify: STATUS=. */
  | { readonly _tag: "Status"; readonly text: string }
  /** `reason` goes on from its name: `ended with exit code 3`. */
  | { readonly _tag: "Exited"; readonly exit: Child.Exit; readonly reason: string }
  /** It was not ready in time, or not alive any more, and is stopped. */
  | { readonly _tag: "NotReady"; readonly afterMs: number }
  | { readonly _tag: "Unresponsive"; readonly reason: string }
  /** It could not be started again, or what watches it could not be. */
  | { readonly _tag: "NotStarted"; readonly reason: string }
  | { readonly _tag: "Restarting"; readonly inMs: number; readonly reason: string }
  | { readonly _tag: "GaveUp"; readonly restarts: number; readonly windowMs: number }
  /** Limits that this host accepts and does not enforce, by their controllers. */
  | { readonly _tag: "Unenforced"; readonly controllers: ReadonlyArray<string> }
  /** The host is kept from what was asked for, or not, and why. */
  | { readonly _tag: "Inhibited"; readonly what: ReadonlyArray<Inhibitor.What> }
  | { readonly _tag: "NotInhibited"; readonly reason: string }

/** How supervision ended, where nothing went wrong with it. */
export type Outcome =
  /** The command ended, and its policy is not to start it again. */
  | { readonly _tag: "Ended"; readonly reason: string; readonly exit: Option.Option<Child.Exit> }
  /** Its slice was stopped, by whomever. */
  | { readonly _tag: "Stopped" }

/** A command ended again and again. */
export class PlayerGaveUp extends Schema.TaggedError<PlayerGaveUp>()("PlayerGaveUp", {
  player: Schema.String,
  restarts: Schema.Number,
  windowMs: Schema.Number,
  /** How it ended last. */
  reason: Schema.String,
  /** The last lines that it wrote. */
  console: Schema.String
}) {
  override get message(): string {
    const within = Duration.format(Duration.millis(this.windowMs))
    return `"${this.player}" was restarted ${this.restarts} times within ${within} and ${this.reason} again: given up.`
  }
  get hint(): string {
    return "mend what it says last, or give it more restarts in a longer time"
  }
}

export type SuperviseError = PlayerGaveUp | Notify.NotifyUnavailable | RunError

/** Told of every event; it waits for its end. */
export type Listener = (event: Event) => Effect.Effect<void>

/** A player in a slice of its own, which is stopped when this ends or is interrupted. */
export const supervise = (
  name: SliceName,
  manager: Manager,
  player: Player,
  listener: Listener = () => Effect.void
): Effect.Effect<Outcome, SuperviseError | Slice.MakeError> =>
  Effect.scoped(
    Effect.flatMap(Slice.make({ name, manager, stop: player.stop }), (slice) => superviseIn(slice, player, listener))
  )

/** Several players, each to its own end: a failure, or a defect, of one stops no other. */
export const superviseAll = (
  players: ReadonlyArray<{ readonly name: SliceName; readonly player: Player }>,
  manager: Manager,
  listener: (name: SliceName, event: Event) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<ReadonlyArray<Exit.Exit<Outcome, SuperviseError | Slice.MakeError>>> =>
  Effect.forEach(
    players,
    ({ name, player }) => Effect.exit(supervise(name, manager, player, (event) => listener(name, event))),
    { concurrency: "unbounded" }
  )

/**
 * Keeps a player running in a slice until it ends for good. Its first start fails as `slice.run` does; a later one that
 * fails is an end like others. Interruption stops the player, and leaves the slice for the next.
 */
export const superviseIn = (
  slice: Slice.Slice,
  player: Player,
  listener: Listener
): Effect.Effect<Outcome, SuperviseError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const restart = player.restart ?? Restart.usual
      const lines = LastLines.make()
      if (player.limits !== undefined) {
        const controllers = yield* slice.manager.unenforced(player.limits)
        if (controllers.length > 0) yield* listener({ _tag: "Unenforced", controllers })
      }
      if (player.inhibit !== undefined && player.inhibit.length > 0) {
        const refusal = yield* Inhibitor.hold(slice, player.inhibit)
        yield* listener(
          Option.isNone(refusal)
            ? { _tag: "Inhibited", what: player.inhibit }
            : { _tag: "NotInhibited", reason: refusal.value }
        )
      }
      for (let history = Restart.none, isFirst = true; ; isFirst = false) {
        const beganMs = yield* Clock.currentTimeMillis
        const end = yield* Effect.catchTag(once(slice, player, lines, listener), "SliceStopped", () =>
          Effect.succeed<End>({ _tag: "Stopped" })
        ).pipe(
          Effect.catch((error) =>
            isFirst || error._tag === "SliceStuck"
              ? Effect.fail(error)
              : Effect.as(
                  listener({ _tag: "NotStarted", reason: error.message }),
                  failed(`could not be started or watched (${error.message})`)
                )
          )
        )
        if (end._tag === "Stopped") return end
        const nowMs = yield* Clock.currentTimeMillis
        const succeeded = Option.exists(end.exit, (exit) => exit._tag === "Exited" && exit.code === 0)
        const decision = Restart.decide(restart, history, { succeeded, ranMs: nowMs - beganMs, nowMs })
        if (decision._tag === "End") return { _tag: "Ended", reason: end.reason, exit: end.exit }
        if (decision._tag === "GiveUp") {
          const { restarts, windowMs } = decision
          yield* listener({ _tag: "GaveUp", restarts, windowMs })
          return yield* new PlayerGaveUp({
            player: slice.name,
            restarts,
            windowMs,
            reason: end.reason,
            console: Text.printable(lines.text())
          })
        }
        history = decision.history
        yield* listener({ _tag: "Restarting", inMs: decision.afterMs, reason: end.reason })
        const wait = Effect.as(Effect.sleep(decision.afterMs), false)
        if (yield* Effect.raceFirst(wait, Effect.as(slice.stopping, true))) return { _tag: "Stopped" }
      }
    })
  )

/** How one run ended, in words that go on from the player's name. */
type End =
  | { readonly _tag: "Ended"; readonly reason: string; readonly exit: Option.Option<Child.Exit> }
  | { readonly _tag: "Stopped" }

const failed = (reason: string): End => ({ _tag: "Ended", reason, exit: Option.none() })

/** Starts it once, waits for its end, and stops all that it left. */
const once = (
  slice: Slice.Slice,
  player: Player,
  lines: LastLines.LastLines,
  listener: Listener
): Effect.Effect<End, Notify.NotifyUnavailable | Slice.SliceStopped | RunError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { live = undefined, ready = { _tag: "Immediately" } as const } = player
      const beats: Liveness.Beats = { lastMs: 0, triggered: false }
      const notified = yield* Deferred.make<void>()
      const environment: Record<string, string> = { ...(player.environment ?? Tool.plainEnvironment) }
      if (ready._tag === "Notify" || live?._tag === "Watchdog") {
        const user = player.user === undefined ? undefined : yield* Command.findUser(player.user)
        const { path, said } = yield* Notify.listen(slice, user === undefined ? undefined : Number(user.uid))
        environment["NOTIFY_SOCKET"] = path
        if (live?._tag === "Watchdog")
          environment["WATCHDOG_USEC"] = String(Math.round(Duration.toMillis(live.within) * 1000))
        yield* Effect.forkScoped(
          Stream.runForEach(said, (line) =>
            Effect.gen(function* () {
              if (line === "READY=1") yield* Deferred.succeed(notified, undefined)
              if (line === "WATCHDOG=1") beats.lastMs = yield* Clock.currentTimeMillis
              if (line === "WATCHDOG=trigger") beats.triggered = true
              if (line.startsWith("STATUS=")) {
                yield* listener({ _tag: "Status", text: Text.brief(line.slice("STATUS=".length)) })
              }
            })
          )
        )
      }
      const { folder, limits, user } = player
      const options: Options = { folder, environment, user }
      const killedBefore = yield* outOfMemoryKills(slice)
      return yield* Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const run = yield* restore(
            slice.run(player.command, { ...options, limits, stdout: "stream", stderr: "stream" })
          )
          const matched = yield* Deferred.make<void>()
          const forward = (from: "stdout" | "stderr") =>
            Stream.runForEach(run[from], (bytes) =>
              Effect.gen(function* () {
                const complete = lines.take(bytes)
                // Before anything is told that follows from it.
                if (player.output !== undefined) yield* player.output(bytes, from)
                if (from === "stdout" && ready._tag === "Line" && complete.some((line) => matches(ready.pattern, line)))
                  yield* Deferred.succeed(matched, undefined)
              })
            )
          const output = yield* Effect.forkScoped(
            Effect.all([forward("stdout"), forward("stderr")], { concurrency: "unbounded" })
          )
          const signs = { line: Deferred.await(matched), notified: Deferred.await(notified) }
          const watched = yield* Effect.exit(
            restore(watch({ slice, player, run, options, signs, beats, killedBefore, listener }))
          )
          yield* run.stop(player.stop)
          // All that had it open is stopped: what is still in it comes now.
          yield* Effect.timeoutOption(Fiber.await(output), "5 seconds")
          return yield* watched
        })
      )
    })
  )

/** A pattern with the flag `g` or `y` goes on where it was. */
const matches = (pattern: RegExp, line: string): boolean => {
  pattern.lastIndex = 0
  return pattern.test(line)
}

/** Of the whole slice: the place of a run goes with its last process. */
const outOfMemoryKills = (slice: Slice.Slice): Effect.Effect<number, PlatformError.PlatformError> =>
  Effect.map(
    slice.manager.usage({ key: slice.key }),
    Option.match({ onNone: () => 0, onSome: (usage) => usage.outOfMemoryKills })
  )

interface Watched {
  readonly slice: Slice.Slice
  readonly player: Player
  readonly run: Run
  readonly options: Options
  readonly signs: Readiness.Signs
  readonly beats: Liveness.Beats
  /** `outOfMemoryKills` before it was started. */
  readonly killedBefore: number
  readonly listener: Listener
}

/** From its start to its end, or to what is as good as that. */
const watch = ({
  beats,
  killedBefore,
  listener,
  options,
  player,
  run,
  signs,
  slice
}: Watched): Effect.Effect<End, RunError | Slice.SliceStopped> =>
  Effect.gen(function* () {
    yield* listener({ _tag: "Started", pid: run.pid })
    const within = player.readyWithin ?? Duration.minutes(1)
    const health = Effect.gen(function* () {
      const ready = Readiness.awaitReady(player.ready ?? { _tag: "Immediately" }, signs)
      if (Option.isNone(yield* Effect.timeoutOption(ready, within))) {
        yield* listener({ _tag: "NotReady", afterMs: Duration.toMillis(within) })
        return failed(`was not ready within ${Duration.format(within)}`)
      }
      yield* listener({ _tag: "Ready" })
      if (player.live === undefined) return yield* Effect.never
      const reason = yield* Liveness.awaitDeath(player.live, slice, options, beats)
      yield* listener({ _tag: "Unresponsive", reason })
      return failed(`was not alive any more (${reason})`)
    })
    const gone = Effect.gen(function* () {
      const exit = yield* run.exit
      if (player.forking === true) while ((yield* run.processes).length > 0) yield* Effect.sleep("200 millis")
      return exit
    })
    const exited = Effect.gen(function* () {
      const exit = yield* gone
      const more = (yield* outOfMemoryKills(slice)) - killedBefore
      const reason = `${Child.inWords(exit)}${more > 0 ? ", out of memory (the kernel killed processes of it)" : ""}`
      yield* listener({ _tag: "Exited", exit, reason })
      return { _tag: "Ended", reason, exit: Option.some(exit) } as const
    })
    return yield* Effect.raceAllFirst([Effect.as(slice.stopping, { _tag: "Stopped" } as const), exited, health])
  })
