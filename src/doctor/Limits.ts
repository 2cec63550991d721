/** What the kernel allows root in all: machines run out of these long before memory. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Files from "../host/Files.ts"
import * as Inotify from "../host/Inotify.ts"
import * as Sysctl from "../host/Sysctl.ts"
import { type Finding, failed, ok, warning } from "./Finding.ts"

export interface LimitFacts {
  /** Instances; `refused`: the kernel gives us no more at this moment. */
  readonly inotify: { readonly limit: number; readonly used: number; readonly refused: boolean }
  /** Keys of root's (keyrings(7)). */
  readonly keys: { readonly limit: number; readonly used: number }
  readonly ptys: { readonly limit: number; readonly reserved: number; readonly used: number }
  /** The limit of each kind of namespace (namespaces(7)). */
  readonly namespaces: Readonly<Record<string, number>>
}

/** Instances of a machine that boots: systemd 5, dbus-daemon 1, and what a job starts. */
export const instancesPerMachine = 8
/** What a host's own daemons take of root's instances. */
const instancesOfHost = 32

/** The decisions, for so many machines at once. */
export const limits = (facts: LimitFacts, machines: number): ReadonlyArray<Finding> => [
  inotify(facts.inotify, machines),
  keys(facts.keys, machines),
  ptys(facts.ptys, machines),
  ...namespaces(facts.namespaces, machines)
]

/**
 * What kept a machine from starting: the limits that have no room for one more, and inotify instances where somebody
 * complained of them. The kernel's word for that is the one for open files (EMFILE), and by now what the machine had
 * taken has been given back.
 */
export const suspects = (facts: LimitFacts, said: string): ReadonlyArray<Finding> => {
  const found = limits(facts, 1)
  if (!isInotify(said) || found.some(({ check, status }) => check === "inotify" && status === "failed")) return found
  const { limit, used } = facts.inotify
  const message = `inotify instances most likely ran out while it booted ("Too many open files"): root may have ${limit}, of which others use ${used}`
  return [failed("inotify", message, ...raise("fs.inotify.max_user_instances", Math.max(8192, 2 * limit))), ...found]
}

/**
 * What systemd and dbus-daemon say when they get no inotify instance: strerror(3) of EMFILE. That nothing of a machine
 * has opened too many files while it boots is as good as sure.
 */
const isInotify = (said: string): boolean => said.includes("Too many open files")

/** Reads the facts: some small files, and the descriptors of each process. */
export const read: Effect.Effect<LimitFacts, PlatformError.PlatformError> = Effect.gen(function* () {
  const namespaces: Record<string, number> = {}
  for (const kind of kinds) namespaces[kind] = yield* limitOf(`user.max_${kind}_namespaces`)
  const users = Option.getOrElse(yield* Files.readText("/proc/key-users"), () => "")
  return {
    inotify: {
      limit: yield* limitOf("fs.inotify.max_user_instances"),
      used: yield* Inotify.taken,
      refused: yield* Inotify.isRefused
    },
    keys: { limit: yield* limitOf("kernel.keys.root_maxkeys"), used: keysOfRoot(users) },
    ptys: {
      limit: yield* limitOf("kernel.pty.max"),
      reserved: Option.getOrElse(yield* Sysctl.read("kernel.pty.reserve"), () => 0),
      used: Option.getOrElse(yield* Sysctl.read("kernel.pty.nr"), () => 0)
    },
    namespaces
  }
})

/** Keys that count against root's quota, from /proc/key-users (keyrings(7)): `0: usage n/n used/limit bytes/limit`. */
export const keysOfRoot = (text: string): number => Number(/^\s*0:\s+\d+\s+\S+\s+(\d+)\//m.exec(text)?.[1] ?? 0)

/** A parameter that this kernel does not have limits nothing. */
const limitOf = (name: string) =>
  Effect.map(
    Sysctl.read(name),
    Option.getOrElse(() => Number.POSITIVE_INFINITY)
  )

const kinds = ["user", "mnt", "pid", "ipc", "uts", "cgroup", "net"] as const

const inotify = ({ limit, refused, used }: LimitFacts["inotify"], machines: number): Finding => {
  const wanted = machines * instancesPerMachine + instancesOfHost
  // Twice the limit as well: in a PID namespace, or where others share root's quota, more are in use than we see.
  const full = refused || limit - used < instancesPerMachine
  const raised = raise("fs.inotify.max_user_instances", Math.max(8192, 2 * wanted, full ? 2 * limit : 0))
  if (refused) {
    return failed("inotify", `all ${limit} inotify instances of root are in use: no machine can boot`, ...raised)
  }
  if (full) {
    const message = `${used} of root's ${limit} inotify instances are in use, and a machine takes about ${instancesPerMachine}`
    return failed("inotify", message, ...raised)
  }
  if (limit < wanted) {
    const enough = Math.max(1, Math.floor((limit - instancesOfHost) / instancesPerMachine))
    const message = `${limit} inotify instances are enough for about ${enough} machines, not for ${machines}`
    return warning("inotify", message, ...raised)
  }
  return ok("inotify", `${limit} inotify instances, ${used} in use: enough for ${machines} machines`)
}

/**
 * Root's keys: systemd-nspawn takes one, its unit two (KeyringMode= of systemd.exec(5)). Inside a machine keyctl(2) is
 * refused, so what other users may have does not matter.
 */
const keys = ({ limit, used }: LimitFacts["keys"], machines: number): Finding => {
  const raised = raise("kernel.keys.root_maxkeys", Math.max(1_000_000, 2 * (used + machines * keysPerMachine)))
  const message = `${used} of root's ${limit} keys are in use, and each machine takes ${keysPerMachine}`
  if (limit - used < keysPerMachine) return failed("keyrings", message, ...raised)
  if (limit - used < machines * keysPerMachine) return warning("keyrings", message, ...raised)
  return ok("keyrings", `${limit} keys for root, ${used} in use`)
}

const keysPerMachine = 3

/** A machine's console is a pty; outside the first mount namespace kernel.pty.reserve of them cannot be had. */
const ptys = ({ limit, reserved, used }: LimitFacts["ptys"], machines: number): Finding => {
  const free = limit - reserved - used
  const raised = raise("kernel.pty.max", reserved + Math.max(4096, 2 * (used + machines * ptysPerMachine)))
  const message = `${used} of ${limit} ptys are in use and ${reserved} reserved, and each machine takes one and its jobs more`
  if (free < 1) return failed("ptys", message, ...raised)
  if (free < machines * ptysPerMachine) return warning("ptys", message, ...raised)
  return ok("ptys", `${limit - reserved} ptys, ${used} in use`)
}
const ptysPerMachine = 4

/** A machine has one of each kind, and its units have their own with PrivateTmp= and the like. */
const namespaces = (most: LimitFacts["namespaces"], machines: number): ReadonlyArray<Finding> => {
  const wanted = machines * namespacesPerMachine
  const few = Object.entries(most).filter(([, limit]) => limit < wanted)
  if (few.length === 0) return [ok("namespaces", `enough of each kind for ${machines} machines`)]
  return few.map(([kind, limit]) => {
    const raised = raise(`user.max_${kind}_namespaces`, Math.max(16_384, 2 * wanted))
    if (limit === 0) return failed("namespaces", `${kind} namespaces are turned off on this host`, ...raised)
    return warning("namespaces", `${limit} ${kind} namespaces are few for ${machines} machines`, ...raised)
  })
}
const namespacesPerMachine = 16

/** The command, and the same for `mend`. Values are powers of two, so that another number of machines changes little. */
const raise = (parameter: string, least: number) => {
  const value = least > 500_000 ? least : 2 ** Math.ceil(Math.log2(least))
  return [`sysctl -w ${parameter}=${value}`, { _tag: "Raise" as const, parameter, value }] as const
}
