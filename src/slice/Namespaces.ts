/**
 * Places that are PID namespaces (pid_namespaces(7)): when the first process of one is killed, the kernel kills all others
 * in it, and none can be made in it any more.
 *
 * The first process of a place is a *holder* that does nothing: commands enter the namespace from outside (nsenter(1)),
 * which ends as they end, a signal included; and what they leave behind lives on until the holder is killed. The holder and
 * the unshare(1) that waits for it are found by a line of their environment, from their first moment on.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Files from "../host/Files.ts"
import * as Process from "../host/Process.ts"
import * as Tool from "../host/Tool.ts"
import { residentBytes, signalAll } from "./Cgroups.ts"
import { type Entrance, firstDescriptor, type ManagerError, PlaceFailed, type Usage } from "./Manager.ts"
import { markOf, markVariable, type Place, type RunPlace } from "./SliceName.ts"

/** The namespaces that a place has, as unshare(1) and nsenter(1) call them, beside the one of processes. */
export interface Way {
  readonly user: boolean
  /** A mount namespace, so that /proc in it shows its own processes. What the host mounts later is seen in it. */
  readonly proc: boolean
}

/** The best way that works here, found by doing: the kernel, a container or AppArmor may forbid any of them. */
export const findWay: Effect.Effect<Option.Option<Way>> = Effect.gen(function* () {
  for (const user of [false, true]) {
    for (const proc of [true, false]) {
      const tried = Tool.run("unshare", [...unshareWords({ user, proc }), "true"])
      if (yield* Effect.match(tried, { onFailure: () => false, onSuccess: () => true })) {
        return Option.some({ user, proc })
      }
    }
  }
  return Option.none()
})

/** Makes a place, and says how to enter it. */
export const enter = (place: RunPlace, way: Way, held: number): Effect.Effect<Entrance, ManagerError, Scope.Scope> =>
  Effect.gen(function* () {
    yield* Tool.run("/bin/sh", ["-c", hold, "redd", ...unshareWords(way), ...holder], {
      environment: { [markVariable]: markOf(place) },
      descriptors: [held]
    })
    const pid = yield* awaitHolder(place)
    const { descriptors, words } = yield* through(place, pid, way, firstDescriptor)
    return {
      words,
      // nsenter(1) waits outside for its child and ends as it ends; it is found as the holder is.
      environment: { [markVariable]: markOf(place) },
      descriptors,
      processOf: (outside) => Effect.sync(() => Process.childrenOf(outside)[0] ?? outside)
    }
  })

/** What leads a command into a holder's namespaces, open from `first` on. */
const through = (
  place: Place,
  holder: number,
  way: Way,
  first: number
): Effect.Effect<Pick<Entrance, "words" | "descriptors">, ManagerError, Scope.Scope> =>
  Effect.gen(function* () {
    const kinds = ["pid", ...(way.user ? ["user"] : []), ...(way.proc ? ["mnt"] : [])]
    const descriptors: Array<number> = []
    for (const kind of kinds) descriptors.push(yield* Files.openScoped(`/proc/${holder}/ns/${kind}`, 0))
    // An id may have been given to another process meanwhile. What is open now is the holder's if it lives.
    if (!find(place).holders.includes(holder)) return yield* failed("its holder was killed")
    const files = kinds.map((kind, index) => {
      const file = `/proc/self/fd/${first + index}`
      return kind === "mnt" ? `--mount=${file}` : `--${kind}=${file}`
    })
    return {
      words: [yield* Tool.locate("nsenter"), ...files, ...(way.user ? ["--preserve-credentials"] : []), "--"],
      descriptors
    }
  })

export const exists = (place: Place): Effect.Effect<boolean> => Effect.sync(() => find(place).marked.length > 0)

/** Those in the place's namespaces and in namespaces below, without the holders. */
export const processes = (place: Place): Effect.Effect<ReadonlyArray<number>> =>
  Effect.gen(function* () {
    const { holders, waiting } = find(place)
    if (holders.length === 0 && waiting.length === 0) return []
    const all = yield* Process.all
    const namespaces = new Set([
      ...holders.flatMap((pid) => Process.namespaceOf(pid) ?? []),
      ...waiting.flatMap((pid) => Process.namespaceForChildrenOf(pid) ?? [])
    ])
    const inside = new Set(holders)
    for (const { pid } of all) {
      const namespace = Process.namespaceOf(pid)
      if (namespace !== undefined && namespaces.has(namespace)) inside.add(pid)
    }
    // A browser has namespaces of its own: they are known by who started them.
    for (let known = 0; known < inside.size;) {
      known = inside.size
      for (const { parent, pid } of all) if (inside.has(parent)) inside.add(pid)
    }
    // A holder that was killed is no holder any more for who looks at its environment.
    const first = new Set([...holders, ...waiting.flatMap(Process.childrenOf)])
    return [...inside].filter((pid) => !first.has(pid))
  })

/** Also to nsenter(1), which stops itself when its child is stopped, and waits for nobody then. */
export const signal = (place: Place, name: NodeJS.Signals): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* signalAll(yield* processes(place), name)
    yield* Effect.forEach(find(place).marked, (pid) => Process.signal(pid, "SIGCONT"), { discard: true })
  })

/**
 * The holders, and with them all that is in their namespaces. Who waits for a holder is left to see its end: a holder that
 * was killed has no environment any more, and does not end before all others have, who may be waiting for a disk.
 */
export const kill = (place: Place): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { marked, waiting } = find(place)
    return Effect.forEach(marked, (pid) => Process.signal(pid, waiting.includes(pid) ? "SIGCONT" : "SIGKILL"), {
      discard: true
    })
  })

export const usage = (place: Place): Effect.Effect<Option.Option<Usage>> =>
  Effect.gen(function* () {
    if (!(yield* exists(place))) return Option.none()
    const living = yield* Process.living(yield* processes(place))
    return Option.some({
      memoryBytes: residentBytes(living),
      cpuMs: living.reduce((sum, process) => sum + process.cpuMs, 0),
      outOfMemoryKills: 0
    })
  })

/** Kills the holders and waits until they are gone. */
export const remove = (place: Place): Effect.Effect<void, PlaceFailed> =>
  Effect.gen(function* () {
    for (let tries = 0; tries < 500; tries++) {
      if (!(yield* exists(place))) return
      yield* kill(place)
      yield* Effect.sleep("10 millis")
    }
    return yield* failed("the first process of a PID namespace cannot be killed")
  })

/** Kills the holder of a run if nothing else is in its namespaces. */
export const tidy = (place: RunPlace, way: Way): Effect.Effect<void, ManagerError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const [pid] = find(place).holders
      if (pid === undefined) return
      const { descriptors, words } = yield* through(place, pid, way, 3)
      // The kernel looks at all at once, the first process and who asks apart (kill(2), -1), which no list of ours can.
      const [nsenter = "nsenter", ...args] = [...words, "/bin/sh", "-c", "kill -0 -1 2>/dev/null && echo inhabited; :"]
      const said = yield* Tool.run(nsenter, args, { descriptors })
      if (said === "") yield* remove(place)
    })
  )

const awaitHolder = (place: Place): Effect.Effect<number, PlaceFailed | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    for (let tries = 0; tries < 1000; tries++) {
      const { holders, marked } = find(place)
      for (const pid of holders) {
        const found = yield* Process.find(pid)
        // Its program is executed when all of its namespaces are as they shall be.
        if (Option.exists(found, ({ command }) => command === holder.at(-2))) return pid
      }
      if (marked.length === 0) break
      yield* Effect.sleep("4 millis")
    }
    return yield* failed("unshare made no PID namespace")
  })

interface Found {
  readonly marked: ReadonlyArray<number>
  /** The first ones of a PID namespace. */
  readonly holders: ReadonlyArray<number>
  /** What waits for a holder: unshare(1). */
  readonly waiting: ReadonlyArray<number>
}

/** The processes that hold a place. */
const find = (place: Place): Found => {
  const marks = (pid: number) => {
    const mark = Process.variableOf(pid, markVariable)
    return place.run === undefined ? mark?.startsWith(`${place.key}.`) === true : mark === `${place.key}.${place.run}`
  }
  // Nothing else is asked for its environment: the kernel may keep who asks waiting.
  const marked = Process.named(["sh", "unshare", "nsenter", "env", "sleep"]).filter(marks)
  const ours = Process.ourIds().length
  return {
    marked,
    waiting: marked.filter((pid) => Process.nameOf(pid) === "unshare" && Process.childrenOf(pid).length > 0),
    holders: marked.filter((pid) => {
      const ids = Process.idsOf(pid)
      return ids.length > ours && ids[ours] === 1
    })
  }
}

/** The first process of a namespace waits for nobody: with SIGCHLD ignored, the kernel does (wait(2), NOTES). */
const holder: ReadonlyArray<string> = ["env", "--ignore-signal=CHLD", "sleep", "infinity"]

/** Leaves unshare(1) running, without the lock that its starter has: it is found by its mark. */
const hold = 'unshare "$@" 3>&- </dev/null >/dev/null 2>&1 &'

const unshareWords = ({ proc, user }: Way): ReadonlyArray<string> => [
  ...(user ? ["--user", "--map-current-user"] : []),
  "--pid",
  "--fork",
  "--kill-child",
  ...(proc ? ["--mount", "--propagation=slave", "--mount-proc"] : []),
  "--"
]

const failed = (reason: string) => new PlaceFailed({ manager: "standalone", reason })
