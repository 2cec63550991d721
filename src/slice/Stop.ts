/**
 * Stopping a place: a signal to all in it, the time to obey, and then no choice.
 *
 * Every part is bounded, each may be done again, and what is absent is a success: it is the same whoever stops, whatever
 * was done before, and whoever was killed while doing it.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Process from "../host/Process.ts"
import { type Manager, type ManagerError, PlaceFailed } from "./Manager.ts"
import type { Place } from "./SliceName.ts"

/** Processes that even SIGKILL does not end: they wait in the kernel, for a device or a file system (state D). */
export class SliceStuck extends Schema.TaggedError<SliceStuck>()("SliceStuck", {
  slice: Schema.String,
  processes: Schema.Array(Schema.Struct({ pid: Schema.Number, command: Schema.String, state: Schema.String }))
}) {
  override get message(): string {
    const named = this.processes.map(({ command, pid, state }) => `${pid} (${command}, state ${state})`)
    return `Processes of the slice "${this.slice}" cannot be killed: ${named.join(", ")}.`
  }
  get hint(): string {
    return `see what they wait for: cat /proc/${this.processes[0]?.pid}/stack; when they are gone, stop it again`
  }
}

export interface StopOptions {
  /** From the signal until all is killed; 10 s when absent. Zero: killed at once. */
  readonly grace?: Duration.Duration | undefined
  /** What all of its processes get first; SIGTERM when absent. */
  readonly signal?: NodeJS.Signals | undefined
}

export type StopError = SliceStuck | ManagerError

export const defaultGrace = Duration.seconds(10)

/** The processes of a place that have not ended. */
export const processesOf = (
  manager: Manager,
  place: Place
): Effect.Effect<ReadonlyArray<Process.Process>, PlatformError.PlatformError> =>
  Effect.flatMap(manager.processes(place), Process.living)

/** Stops all in a place and takes the place away. `slice` is what it is called in errors. */
export const stop = (
  manager: Manager,
  place: Place,
  slice: string,
  options: StopOptions = {}
): Effect.Effect<void, StopError> =>
  Effect.gen(function* () {
    const grace = options.grace ?? defaultGrace
    const isEmpty = Effect.map(processesOf(manager, place), (processes) => processes.length === 0)
    if (!(yield* isEmpty) && Duration.isPositive(grace)) {
      yield* manager.signal(place, options.signal ?? "SIGTERM")
      yield* awaitEmpty(isEmpty, grace)
    }
    const end = (yield* Clock.currentTimeMillis) + Duration.toMillis(mostTimeToDie)
    for (;;) {
      // Also what enters just now, from a starter that was under way.
      yield* manager.kill(place)
      const empty = yield* awaitEmpty(isEmpty, Duration.millis(200))
      if (empty && (yield* removed(manager, place))) return
      if ((yield* Clock.currentTimeMillis) < end) continue
      const processes = yield* processesOf(manager, place)
      return yield* new SliceStuck({
        slice,
        processes: processes.slice(0, 20).map(({ command, pid, state }) => ({ pid, command, state }))
      })
    }
  })

/** False where a process has entered meanwhile (EBUSY of rmdir(2)). */
const removed = (manager: Manager, place: Place): Effect.Effect<boolean, ManagerError> =>
  Effect.matchEffect(
    Effect.timeoutOrElse(manager.remove(place), { duration: mostTimeToRemove, orElse: () => late(manager) }),
    {
      onFailure: (error) =>
        error._tag === "PlatformError" && error.reason._tag === "Busy" ? Effect.succeed(false) : Effect.fail(error),
      onSuccess: () => Effect.succeed(true)
    }
  )

const late = ({ name }: Manager) =>
  Effect.fail(new PlaceFailed({ manager: name, reason: "what held the processes, which are gone, does not go itself" }))

const awaitEmpty = <E>(isEmpty: Effect.Effect<boolean, E>, limit: Duration.Duration): Effect.Effect<boolean, E> =>
  Effect.gen(function* () {
    for (let pauseMs = 2; !(yield* isEmpty); pauseMs = Math.min(50, pauseMs * 1.5)) yield* Effect.sleep(pauseMs)
  }).pipe(Effect.timeoutOption(limit), Effect.map(Option.isSome))

/** What SIGKILL ends is gone in milliseconds, but for what writes out a core or gives back much memory. */
const mostTimeToDie = Duration.seconds(10)

/** A systemd that has no process to wait for needs milliseconds; one that is stuck is not waited for. */
const mostTimeToRemove = Duration.seconds(20)
