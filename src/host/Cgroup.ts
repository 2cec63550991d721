/**
 * A cgroup of the unified hierarchy (cgroups(7), the kernel's cgroup-v2.rst): its processes, and its end.
 *
 * A path here is a folder of cgroupfs. The guest makes cgroups below its own, but cgroupfs has no links, so walking down
 * is safe. An absent cgroup is an empty one.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Files from "./Files.ts"
import * as Mounts from "./Mounts.ts"

/** A cgroup did not become empty: a process that even SIGKILL cannot end (state D, usually a stuck file system). */
export class CgroupStuck extends Schema.TaggedError<CgroupStuck>()("CgroupStuck", {
  path: Schema.String,
  processes: Schema.Array(Schema.Number)
}) {
  override get message(): string {
    return `Processes ${this.processes.join(", ")} in ${this.path} cannot be killed.`
  }
  get hint(): string {
    return "look at their stack in /proc/PID/stack; redd gc removes the rest once they are gone"
  }
}

/** Where cgroup v2 is mounted: /sys/fs/cgroup, or /sys/fs/cgroup/unified on a hybrid host. */
export const mountPoint: Effect.Effect<Option.Option<string>, PlatformError.PlatformError> = Effect.map(
  Mounts.all,
  (mounts) => Option.fromUndefinedOr(mounts.find((mount) => mount.type === "cgroup2")?.path)
)

/** True while a process lives in the cgroup or below it. */
export const isPopulated = (path: string): Effect.Effect<boolean, PlatformError.PlatformError> =>
  says(path, /^populated 1$/m)

const says = (path: string, event: RegExp): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Effect.map(Files.readText(`${path}/cgroup.events`), (text) => Option.exists(text, (events) => event.test(events)))

/** The ids, as the host sees them, of the processes in the cgroup and below it. */
export const processes = (path: string): Effect.Effect<ReadonlyArray<number>, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const found: Array<number> = []
    for (const cgroup of yield* tree(path)) {
      // A cgroup of type `domain invalid` or `threaded` cannot list its processes (EOPNOTSUPP); cgroup.kill reaches them.
      const text = yield* Effect.orElseSucceed(Files.readText(`${cgroup}/cgroup.procs`), Option.none<string>)
      for (const line of Option.getOrElse(text, () => "").split("\n"))
        if (/^[1-9]\d*$/.test(line)) found.push(Number(line))
    }
    return found
  })

/** Sends a signal to each process of the cgroup and below it. One that has just ended is no failure. */
export const signal = (path: string, name: NodeJS.Signals): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.flatMap(processes(path), (pids) =>
    Effect.forEach(pids, (pid) => Effect.ignore(Effect.try(() => process.kill(pid, name))), { discard: true })
  )

/** SIGKILL to all in the cgroup and below it, those that fork at this moment included (cgroup.kill, Linux 5.14). */
export const kill = (path: string): Effect.Effect<void, PlatformError.PlatformError> =>
  Files.writeInto(`${path}/cgroup.kill`, "1").pipe(
    Effect.catchIf(Files.isAbsent, () =>
      Effect.flatMap(Files.exists(path), (there) => (there ? killFrozen(path) : Effect.void))
    )
  )

/**
 * The same where the kernel has no cgroup.kill: frozen (cgroup.freeze, Linux 5.2), nothing forks while its processes are
 * killed one by one, and what is forked just then is born frozen.
 */
export const killFrozen = (path: string): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const freeze = (value: "0" | "1") =>
      Files.writeInto(`${path}/cgroup.freeze`, value).pipe(Effect.catchIf(Files.isAbsent, () => Effect.void))
    yield* freeze("1")
    yield* Effect.timeoutOption(
      Effect.gen(function* () {
        while (yield* says(path, /^frozen 0$/m)) yield* Effect.sleep("2 millis")
      }),
      "1 second"
    )
    yield* signal(path, "SIGKILL")
    yield* freeze("0")
  })

/** Waits until no process is left. False when some are after `limit`. */
export const awaitEmpty = (
  path: string,
  limit: Duration.Duration
): Effect.Effect<boolean, PlatformError.PlatformError> => awaitState(path, false, limit)

/** Waits until a process is there. False when none is after `limit`. */
export const awaitPopulated = (
  path: string,
  limit: Duration.Duration
): Effect.Effect<boolean, PlatformError.PlatformError> => awaitState(path, true, limit)

/** Makes a cgroup that `owner` may move processes into; without a parent there is none to make, and that is a success. */
export const make = (path: string, owner: number): Effect.Effect<void, PlatformError.PlatformError> =>
  Files.claimFolder(path, 0o755).pipe(
    Effect.andThen(Files.give(path, owner)),
    Effect.andThen(Files.give(`${path}/cgroup.procs`, owner)),
    Effect.catchIf(Files.isAbsent, () => Effect.void)
  )

/** Kills what is left in the cgroup, and removes it and all below it, deepest first. */
export const destroy = (path: string): Effect.Effect<void, CgroupStuck | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    yield* kill(path)
    if (!(yield* awaitEmpty(path, Duration.seconds(10)))) {
      return yield* new CgroupStuck({ path, processes: [...(yield* processes(path))] })
    }
    yield* remove(path)
  })

/** Removes the cgroup and those below it, deepest first. Fails with Busy while a process is in one. */
export const remove = (path: string): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.flatMap(tree(path), (cgroups) =>
    Effect.forEach([...cgroups].reverse(), (cgroup) => Files.removeFolder(cgroup), { discard: true })
  )

/** The time that processors spent on the cgroup since it was made, in milliseconds: `usage_usec` of cpu.stat, always there. */
export const cpuMs = (path: string): Effect.Effect<number, PlatformError.PlatformError> =>
  Effect.map(Files.readText(`${path}/cpu.stat`), (text) =>
    Math.round(Number(/^usage_usec (\d+)$/m.exec(Option.getOrElse(text, () => ""))?.[1] ?? 0) / 1000)
  )

/** The memory that it holds, page cache included, in bytes; None where the memory controller is not on. */
export const memoryBytes = (path: string): Effect.Effect<Option.Option<number>, PlatformError.PlatformError> =>
  Effect.map(Files.readText(`${path}/memory.current`), Option.map(Number))

/** How many processes the kernel killed for want of memory in this cgroup; 0 where the memory controller is not on. */
export const outOfMemoryKills = (path: string): Effect.Effect<number, PlatformError.PlatformError> =>
  Effect.map(Files.readText(`${path}/memory.events`), (text) =>
    Number(/^oom_kill (\d+)$/m.exec(Option.getOrElse(text, () => ""))?.[1] ?? 0)
  )

const awaitState = (path: string, wanted: boolean, limit: Duration.Duration) =>
  Effect.gen(function* () {
    while ((yield* isPopulated(path)) !== wanted) yield* Effect.sleep("4 millis")
  }).pipe(Effect.timeoutOption(limit), Effect.map(Option.isSome))

const tree = (path: string): Effect.Effect<ReadonlyArray<string>, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const found: Array<string> = []
    const waiting = [path]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const names = yield* Files.listFolders(next)
      if (next !== path || (yield* Files.exists(path))) found.push(next)
      for (const name of names) waiting.push(`${next}/${name}`)
    }
    return found
  })
