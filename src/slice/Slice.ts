/**
 * A slice: a name under which processes run, and are stopped whole.
 *
 * A slice is a scoped resource of one process. All of it is derived from its name: where the process that has it is killed,
 * at whatever line, another finds what it left by the name alone, and stops it. What runs in a slice may fork, detach,
 * ignore signals: when `stop` has succeeded, none of it is left.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type * as Process from "../host/Process.ts"
import type * as Tool from "../host/Tool.ts"
import type { Words } from "./Command.ts"
import type { Manager } from "./Manager.ts"
import * as Owner from "./Owner.ts"
import { keyOf, type Place, type SliceKey, SliceName } from "./SliceName.ts"
import * as Run from "./Run.ts"
import * as Stop from "./Stop.ts"

/** A slice was stopped, by its owner or at the request of another process: nothing can be started in it any more. */
export class SliceStopped extends Schema.TaggedError<SliceStopped>()("SliceStopped", { slice: Schema.String }) {
  override get message(): string {
    return `The slice "${this.slice}" was stopped.`
  }
  get hint(): string {
    return "make it anew"
  }
}

/** The process that has a slice was asked to stop it, and did not. */
export class OwnerUnresponsive extends Schema.TaggedError<OwnerUnresponsive>()("OwnerUnresponsive", {
  slice: Schema.String,
  pid: Schema.Number
}) {
  override get message(): string {
    return `Process ${this.pid} has the slice "${this.slice}" and does not let it go. All in the slice was killed.`
  }
  get hint(): string {
    return `kill -KILL ${this.pid}, then stop the slice again: that process could start something in it`
  }
}

export type MakeError = Owner.OwnerError | Stop.StopError

/** What a slice is, now. */
export interface Status {
  readonly processes: ReadonlyArray<Process.Process>
  /** What the kernel counts for it, page cache included; where it does not count, what its processes have resident. */
  readonly memoryBytes: number
  readonly cpuMs: number
  /** Unix time at which the oldest of its processes started; None where it has none. */
  readonly sinceMs: Option.Option<number>
}

export interface Slice {
  readonly name: SliceName
  readonly key: SliceKey
  readonly manager: Manager
  /**
   * Starts a command in a place of its own within the slice, and returns when it is executed there. It runs until it ends,
   * or is stopped with the slice; interrupting this effect stops what it has started.
   */
  run(words: Words, options?: Run.Options): Effect.Effect<Run.Run, SliceStopped | Run.RunError>
  /**
   * Stops all that runs in the slice, and ends it: the signal, at most the grace, SIGKILL. Returns when no process is left
   * and what held them is taken away; the name is free then. Twice is a success.
   */
  stop(options?: Stop.StopOptions): Effect.Effect<void, Stop.StopError>
  /** Done as soon as it is being stopped, by whomever: what ends from then on ends for that reason. */
  readonly stopping: Effect.Effect<void>
  /** Done when it has been stopped. */
  readonly stopped: Effect.Effect<void>
  readonly processes: Effect.Effect<ReadonlyArray<Process.Process>, PlatformError.PlatformError>
  readonly status: Effect.Effect<Status, PlatformError.PlatformError>
}

export interface MakeOptions {
  readonly name: SliceName
  readonly manager: Manager
  /** How it is stopped when its scope closes, and what a killed owner left of it before it begins. */
  readonly stop?: Stop.StopOptions | undefined
}

/**
 * A slice of this process's own, stopped when the scope closes. What a killed process left running under the name is
 * stopped first. Fails with SliceTaken while a live one has the name.
 */
export const make = (options: MakeOptions): Effect.Effect<Slice, MakeError, Scope.Scope> =>
  Effect.gen(function* () {
    const { manager, name } = options
    const key = keyOf(manager.folder, name)
    const whole: Place = { key }
    const scope = yield* Effect.scope
    // The name, apart from the rest: it is given back as soon as the slice is stopped.
    const having = yield* Scope.fork(scope)
    const held = yield* Scope.provide(Owner.take(manager, name, key), having)
    const entering = yield* Semaphore.make(1)
    const stopping = yield* Deferred.make<void>()
    const stopped = yield* Deferred.make<void>()
    const starting = new Set<Run.Starting>()
    const refused = new SliceStopped({ slice: name })
    let closing = false

    const stop = (how: Stop.StopOptions = {}): Effect.Effect<void, Stop.StopError> =>
      Effect.gen(function* () {
        closing = true
        yield* Deferred.succeed(stopping, undefined)
        // Whoever is being let in is in; nobody comes after.
        yield* entering.withPermits(1)(Effect.void)
        for (const one of starting) yield* one.abandon
        if (yield* Deferred.isDone(stopped)) return
        yield* Stop.stop(manager, whole, name, { ...options.stop, ...how })
        yield* Owner.forget(manager, key)
        yield* Deferred.succeed(stopped, undefined)
        yield* Scope.close(having, Exit.void)
      })
    const requests = yield* Scope.provide(Owner.requests(manager, key), having)
    yield* Stop.stop(manager, whole, name, options.stop)
    yield* Effect.addFinalizer(() => Effect.orDie(stop()))
    yield* Stream.runForEach(requests, (request) =>
      // Its failure is seen by who asked: the name is not given back.
      Effect.ignore(stop({ grace: Duration.millis(request.graceMs), signal: request.signal }))
    ).pipe(Effect.forkIn(scope))

    const enter = <A, E>(begin: Effect.Effect<A, E>): Effect.Effect<A, E | SliceStopped> =>
      entering.withPermits(1)(
        Effect.suspend((): Effect.Effect<A, E | SliceStopped> => (closing ? Effect.fail(refused) : begin))
      )
    let runs = 0
    return {
      name,
      key,
      manager,
      run: (words, how = {}) =>
        Effect.suspend(() =>
          closing
            ? Effect.fail(refused)
            : Run.start(words, how, {
                manager,
                name,
                place: { key, run: String(++runs) },
                folder: Owner.folderOf(manager, key),
                held,
                scope,
                starting,
                enter
              })
        ),
      stop,
      stopping: Deferred.await(stopping),
      stopped: Deferred.await(stopped),
      processes: Stop.processesOf(manager, whole),
      status: statusOf(manager, whole)
    }
  })

/** A slice that is there, whoever has it or had it. */
export interface Found {
  readonly name: SliceName
  readonly key: SliceKey
  /** The live process that has it; None where that was killed. */
  readonly owner: Option.Option<Owner.Owner>
  readonly processes: Effect.Effect<ReadonlyArray<Process.Process>, PlatformError.PlatformError>
  readonly status: Effect.Effect<Status, PlatformError.PlatformError>
  /** As `stop` below. */
  stop(options?: Stop.StopOptions): Effect.Effect<void, StopAnyError>
}

/** The slice of this name, if it runs or anything is left of it. */
export const find = (
  name: SliceName,
  manager: Manager
): Effect.Effect<Option.Option<Found>, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const key = keyOf(manager.folder, name)
    const owner = yield* Owner.find(manager, key)
    if (Option.isNone(owner) && !(yield* manager.exists(key))) return Option.none()
    return Option.some({
      name,
      key,
      owner,
      processes: Stop.processesOf(manager, { key }),
      status: statusOf(manager, { key }),
      stop: (options) => stop(name, manager, options)
    })
  })

export type StopAnyError = OwnerUnresponsive | Owner.FolderNotOurs | Stop.StopError

/**
 * Stops the slice of this name, whoever has it: a live owner is asked to, what a killed one left is stopped by us. Returns
 * when nothing of it is left and the name is free; an absent slice is a success.
 */
export const stop = (
  name: SliceName,
  manager: Manager,
  options: Stop.StopOptions = {}
): Effect.Effect<void, StopAnyError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const key = keyOf(manager.folder, name)
      const grace = options.grace ?? Stop.defaultGrace
      const request = { graceMs: Math.round(Duration.toMillis(grace)), signal: options.signal ?? ("SIGTERM" as const) }
      const end = (yield* Clock.currentTimeMillis) + request.graceMs + Duration.toMillis(mostTimeToAnswer)
      let asked = false
      for (;;) {
        // It may be just beginning and not hear yet; who gets the lock is alone with what is left.
        if (yield* tryToHold(manager, key)) break
        if (!asked) asked = yield* Owner.ask(manager, key, request)
        if ((yield* Clock.currentTimeMillis) < end) continue
        const owner = yield* Owner.find(manager, key)
        yield* Stop.stop(manager, { key }, name, { grace: Duration.zero })
        return yield* new OwnerUnresponsive({ slice: name, pid: Option.isSome(owner) ? owner.value.pid : 0 })
      }
      yield* Stop.stop(manager, { key }, name, options)
      yield* Owner.forget(manager, key)
    })
  )

const tryToHold = (
  manager: Manager,
  key: SliceKey
): Effect.Effect<boolean, Owner.FolderNotOurs | Tool.ToolError | PlatformError.PlatformError, Scope.Scope> =>
  Effect.as(Owner.hold(manager, key, Duration.millis(100)), true).pipe(
    Effect.catchTag("LockHeld", () => Effect.succeed(false))
  )

const statusOf = (manager: Manager, place: Place): Effect.Effect<Status, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const processes = yield* Stop.processesOf(manager, place)
    const usage = yield* manager.usage(place)
    return {
      processes,
      memoryBytes: Option.isSome(usage) ? usage.value.memoryBytes : 0,
      cpuMs: Option.isSome(usage) ? usage.value.cpuMs : 0,
      sinceMs:
        processes.length === 0 ? Option.none() : Option.some(Math.min(...processes.map(({ startedMs }) => startedMs)))
    }
  })

/** Killing what does not die takes Stop ten seconds, and systemd may have much to do. */
const mostTimeToAnswer = Duration.seconds(20)

/** A free text as a slice's name. */
export const parseName = Schema.decodeUnknownEffect(SliceName)
