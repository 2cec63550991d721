/**
 * The processes of this host, as /proc shows them (proc(5)). One that ends while it is looked at is not there.
 *
 * What is read of a process is its `stat`, which the kernel gives without a lock of the process's: `cmdline` would wait for
 * one that is stuck in state D with its memory map locked, and hang with it.
 */
import * as fs from "node:fs"
import { constants } from "node:os"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Text from "./Text.ts"

export interface Process {
  readonly pid: number
  /** Its program's name, cut at 15 bytes by the kernel. */
  readonly command: string
  /** `R` running, `S` waiting, `D` waiting and not to be disturbed, `T` stopped, `Z` ended and not waited for. */
  readonly state: string
  readonly parent: number
  /** User and system time, of its own and of its children that it has waited for. */
  readonly cpuMs: number
  /** What it has in memory, shared pages included. */
  readonly residentBytes: number
  /** Unix time at which it started. */
  readonly startedMs: number
}

/** None where there is no such process. */
export const find = (pid: number): Effect.Effect<Option.Option<Process>> =>
  Effect.sync(() => Option.fromUndefinedOr(read(pid)))

/** Those of these that are there and have not ended. */
export const living = (pids: ReadonlyArray<number>): Effect.Effect<ReadonlyArray<Process>> =>
  Effect.sync(() => pids.flatMap((pid) => read(pid) ?? []).filter(({ state }) => state !== "Z" && state !== "X"))

/** All of this host, as far as our PID namespace reaches. */
export const all: Effect.Effect<ReadonlyArray<Process>> = Effect.sync(() => ids().flatMap((pid) => read(pid) ?? []))

/** The ids of those whose program has one of these names. */
export const named = (commands: ReadonlyArray<string>): ReadonlyArray<number> =>
  ids().filter((pid) => commands.includes(nameOf(pid) ?? ""))

/** Its program's name, cut at 15 bytes by the kernel. */
export const nameOf = (pid: number): string | undefined =>
  attempt(() => fs.readFileSync(`/proc/${pid}/comm`, "utf8"))?.slice(0, -1)

/** Done when that process has ended. */
export const awaitEnd = ({ pid, startedMs }: Process): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (;;) {
      const now = yield* find(pid)
      if (Option.isNone(now) || now.value.state === "Z" || now.value.startedMs !== startedMs) return
      yield* Effect.sleep("20 millis")
    }
  })

/** Sends a signal. A process that is not there, or not ours, is passed by. */
export const signal = (pid: number, name: NodeJS.Signals): Effect.Effect<void> =>
  Effect.ignore(Effect.try(() => process.kill(pid, name)))

/** A variable of the environment that a process was started with. Undefined where it has none, or where we may not know. */
export const variableOf = (pid: number, name: string): string | undefined =>
  attempt(() => fs.readFileSync(`/proc/${pid}/environ`, "latin1").split("\0"))
    ?.find((line) => line.startsWith(`${name}=`))
    ?.slice(name.length + 1)

/** The processes that a process started and has not waited for (proc_pid_task(5)). */
export const childrenOf = (pid: number): ReadonlyArray<number> =>
  attempt(() => fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"))
    ?.split(" ")
    .filter((word) => word !== "")
    .map(Number) ?? []

/** Which PID namespace it lives in (pid_namespaces(7)). Undefined where we may not know. */
export const namespaceOf = (pid: number): string | undefined => attempt(() => fs.readlinkSync(`/proc/${pid}/ns/pid`))

/** Which PID namespace its next child will live in (unshare(2)): it can be read as long as that one's first process is there. */
export const namespaceForChildrenOf = (pid: number): string | undefined =>
  attempt(() => fs.readlinkSync(`/proc/${pid}/ns/pid_for_children`))

/** The ids that it has, in our PID namespace and in each below that it lives in. */
export const idsOf = (pid: number): ReadonlyArray<number> =>
  attempt(() => /^NSpid:\s+(.*)$/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])
    ?.split(/\s+/)
    .map(Number) ?? []

/** The ids that we have ourselves. */
export const ourIds = (): ReadonlyArray<number> => idsOf(process.pid)

/** What we were started with, fit for a sentence. */
export const ourCommand = (): string => {
  const [program = "", ...args] = process.argv
  return Text.brief([program.slice(program.lastIndexOf("/") + 1), ...args].join(" "))
}

/** Ids of all processes. */
const ids = (): ReadonlyArray<number> =>
  (attempt(() => fs.readdirSync("/proc")) ?? []).filter((name) => /^\d+$/.test(name)).map(Number)

/** The number of a signal (signal(7)). */
export const signalNumber = (name: NodeJS.Signals): number => constants.signals[name]

/** A signal has this name. */
export const isSignal = (name: string): name is NodeJS.Signals => Object.hasOwn(constants.signals, name)

const read = (pid: number): Process | undefined => {
  const text = attempt(() => fs.readFileSync(`/proc/${pid}/stat`, "utf8"))
  if (text === undefined) return undefined
  // The command's name is in parentheses and may hold some itself.
  const close = text.lastIndexOf(")")
  const fields = text.slice(close + 2).split(" ")
  const ticks = (index: number) => Number(fields[index - 3] ?? 0)
  return {
    pid,
    command: text.slice(text.indexOf("(") + 1, close),
    state: fields[0] ?? "",
    parent: ticks(4),
    cpuMs: [14, 15, 16, 17].reduce((sum, index) => sum + ticks(index), 0) * tickMs,
    residentBytes: ticks(24) * pageBytes,
    startedMs: bootedMs() + ticks(22) * tickMs
  }
}

/** Unix time of this boot; 0 where /proc/stat is not to be read. */
const bootedMs = (): number => {
  booted ??= Number(attempt(() => /^btime (\d+)$/m.exec(fs.readFileSync("/proc/stat", "utf8"))?.[1]) ?? 0) * 1000
  return booted
}
let booted: number | undefined

/** USER_HZ is 100 wherever Linux runs Node, and so is the page 4 KiB on x86 and on Debian's ARM. */
const tickMs = 10
const pageBytes = 4096

const attempt = <A>(call: () => A): A | undefined => {
  try {
    return call()
  } catch {
    return undefined
  }
}
