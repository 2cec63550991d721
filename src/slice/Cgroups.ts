/** Places that are cgroups, whoever made them: what lives in them, its end, what it used. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Cgroup from "../host/Cgroup.ts"
import * as Files from "../host/Files.ts"
import * as Process from "../host/Process.ts"
import type { Usage } from "./Manager.ts"
import type { Place, SliceKey } from "./SliceName.ts"

/** Removes a cgroup if no process is in it. */
export const tidy = (path: string): Effect.Effect<void, PlatformError.PlatformError> =>
  Cgroup.remove(path).pipe(
    Effect.catchIf(
      (error) => error.reason._tag === "Busy",
      () => Effect.void
    )
  )

/** The part of a manager that is the same for every cgroup, given a place's. */
export const inCgroups = (pathOf: (place: Place) => string) => ({
  exists: (key: SliceKey): Effect.Effect<boolean, PlatformError.PlatformError> => Files.exists(pathOf({ key })),
  processes: (place: Place): Effect.Effect<ReadonlyArray<number>, PlatformError.PlatformError> =>
    Cgroup.processes(pathOf(place)),
  signal: (place: Place, name: NodeJS.Signals): Effect.Effect<void, PlatformError.PlatformError> =>
    Effect.flatMap(Cgroup.processes(pathOf(place)), (pids) => signalAll(pids, name)),
  kill: (place: Place): Effect.Effect<void, PlatformError.PlatformError> => Cgroup.kill(pathOf(place)),
  usage: (place: Place): Effect.Effect<Option.Option<Usage>, PlatformError.PlatformError> =>
    Effect.gen(function* () {
      const path = pathOf(place)
      if (!(yield* Files.exists(path))) return Option.none()
      const counted = yield* Cgroup.memoryBytes(path)
      return Option.some({
        memoryBytes: Option.isSome(counted)
          ? counted.value
          : residentBytes(yield* Process.living(yield* Cgroup.processes(path))),
        cpuMs: yield* Cgroup.cpuMs(path),
        outOfMemoryKills: yield* Cgroup.outOfMemoryKills(path)
      })
    })
})

/** A signal to each, and SIGCONT. */
export const signalAll = (pids: ReadonlyArray<number>, name: NodeJS.Signals): Effect.Effect<void> =>
  Effect.forEach(pids, (pid) => Effect.andThen(Process.signal(pid, name), Process.signal(pid, "SIGCONT")), {
    discard: true
  })

/** What processes have resident: what they share counts for each of them. */
export const residentBytes = (processes: ReadonlyArray<Process.Process>): number =>
  processes.reduce((sum, process) => sum + process.residentBytes, 0)
