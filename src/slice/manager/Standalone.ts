/**
 * No systemd at all: a cgroup of our own where we may make one, else PID namespaces.
 *
 * What was made in either way is found in both: the next command may not be allowed what this one is.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Cgroup from "../../host/Cgroup.ts"
import * as Files from "../../host/Files.ts"
import * as Host from "../../host/Host.ts"
import * as Limits from "../../host/Limits.ts"
import * as Tool from "../../host/Tool.ts"
import { inCgroups, tidy } from "../Cgroups.ts"
import { type Manager, ManagerUnfit, type Usage } from "../Manager.ts"
import * as Namespaces from "../Namespaces.ts"
import { cgroupNameOf, type Place } from "../SliceName.ts"

/** `auto`: a cgroup where we may make one, else PID namespaces. */
export type Hold = "auto" | "cgroup" | "namespace"

export const standalone = (
  hold: Hold,
  runtimeFolder: string | undefined
): Effect.Effect<Manager, ManagerUnfit | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const mountPoint = yield* Cgroup.mountPoint
    const mayMake = Option.isSome(mountPoint) && (yield* Files.isWritable(mountPoint.value))
    if (hold === "cgroup" && !mayMake) {
      return yield* unfit("we may not make a cgroup", "run it as root where cgroup2 is mounted, or use PID namespaces")
    }
    const way = hold === "cgroup" || (hold === "auto" && mayMake) ? Option.none() : yield* Namespaces.findWay
    if (Option.isNone(way) && (hold === "namespace" || !mayMake)) {
      return yield* unfit(
        "we may make neither a cgroup nor a PID namespace",
        "run it as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)"
      )
    }
    const root = Option.getOrElse(mountPoint, () => "/sys/fs/cgroup")
    const pathOf = (place: Place) => `${root}/${cgroupNameOf(place)}`
    const cgroups = inCgroups(pathOf)
    /** A run is our own, made as we make them; a slice may be another process's. */
    const inBoth = <A, E, E2>(
      { run }: Place,
      cgroup: Effect.Effect<A, E>,
      namespace: Effect.Effect<A, E2>,
      together: (one: A, other: A) => A
    ): Effect.Effect<A, E | E2> => {
      if (run === undefined) return Effect.zipWith(cgroup, namespace, together)
      return Option.isSome(way) ? namespace : cgroup
    }
    return {
      name: "standalone",
      holds: Option.isSome(way) ? "PID namespaces" : `a cgroup in ${root}`,
      folder: folderOf(runtimeFolder),
      lasting: Effect.void,
      unenforced: (limits) => Limits.unenforced(Option.isSome(way) ? Option.none() : mountPoint, limits),
      enter: (place, { held, limits }) =>
        Option.isSome(way)
          ? Namespaces.enter(place, way.value, held)
          : Effect.gen(function* () {
              const path = pathOf(place)
              yield* Files.makeFolder(path)
              yield* Limits.enableControllers(root)
              yield* Limits.enableControllers(pathOf({ key: place.key }))
              yield* Limits.apply(path, limits)
              return {
                words: ["/bin/sh", "-c", enterCgroup, "redd", path],
                environment: {},
                descriptors: [],
                processOf: Effect.succeed
              }
            }),
      detach: ({ command: [program, ...args], environment }) => Tool.startDetached(program, args, environment),
      exists: (key) =>
        Effect.flatMap(cgroups.exists(key), (there) => (there ? Effect.succeed(true) : Namespaces.exists({ key }))),
      processes: (place) =>
        inBoth(place, cgroups.processes(place), Namespaces.processes(place), (one, other) => [...one, ...other]),
      signal: (place, name) =>
        inBoth(place, cgroups.signal(place, name), Namespaces.signal(place, name), () => undefined),
      kill: (place) => inBoth(place, cgroups.kill(place), Namespaces.kill(place), () => undefined),
      usage: (place) => inBoth(place, cgroups.usage(place), Namespaces.usage(place), add),
      remove: (place) => inBoth(place, Cgroup.remove(pathOf(place)), Namespaces.remove(place), () => undefined),
      tidy: (place) => (Option.isSome(way) ? Namespaces.tidy(place, way.value) : tidy(pathOf(place)))
    }
  })

/** Without a cgroup of that name any more the command is not executed: its slice was stopped. */
const enterCgroup = 'echo 0 >"$1/cgroup.procs" && shift && exec "$@"'

/** Root's in /run; a user's where the user's systemd would have its own, else one in /tmp, which may be anybody's. */
const folderOf = (runtimeFolder: string | undefined): string =>
  Host.isRoot() ? "/run/redd" : runtimeFolder === undefined ? `/tmp/redd-${Host.user().uid}` : `${runtimeFolder}/redd`

const add = (one: Option.Option<Usage>, other: Option.Option<Usage>): Option.Option<Usage> => {
  if (Option.isNone(one) || Option.isNone(other)) return Option.orElse(one, () => other)
  return Option.some({
    memoryBytes: one.value.memoryBytes + other.value.memoryBytes,
    cpuMs: one.value.cpuMs + other.value.cpuMs,
    outOfMemoryKills: one.value.outOfMemoryKills + other.value.outOfMemoryKills
  })
}

const unfit = (reason: string, remedy: string) => new ManagerUnfit({ manager: "standalone", reason, remedy })
