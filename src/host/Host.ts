/** What this host is: facts, read only, each read anew. */
import { availableParallelism, hostname, totalmem, userInfo } from "node:os"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Cgroup from "./Cgroup.ts"
import * as Files from "./Files.ts"

export interface Host {
  /** PID 1 is systemd (sd_booted(3)). */
  readonly systemd: boolean
  /** systemd-machined can be reached, so that machinectl(1) will know a machine. */
  readonly machined: boolean
  /** Where cgroup v2 is mounted. */
  readonly cgroups: Option.Option<string>
  /** We are root. */
  readonly root: boolean
}

/** We are root, as everything that a machine needs wants it. */
export const isRoot = (): boolean => process.getuid?.() === 0

/** Who we are (geteuid(2), getpwuid(3)). The name of a user without one is the number. */
export const user = (): { readonly uid: number; readonly name: string } => {
  const uid = process.geteuid?.() ?? 0
  try {
    return { uid, name: userInfo().username }
  } catch {
    return { uid, name: String(uid) }
  }
}

/** Processors that we may use. */
export const processors = (): number => availableParallelism()

/** The machine's architecture as Go and OCI images write it (GOARCH): `amd64`, `arm64`. */
export const architecture = (): string => architectures[process.arch] ?? process.arch

const architectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" }

/** What this host is called. */
export const name = (): string => hostname()

/** All the memory of this host, in bytes. */
export const memoryBytes = (): number => totalmem()

/** Reads the facts: a few small files, no tool is run. */
export const read: Effect.Effect<Host, PlatformError.PlatformError> = Effect.gen(function* () {
  const systemd = yield* Files.exists("/run/systemd/system")
  const machined = yield* Files.exists("/usr/lib/systemd/system/systemd-machined.service")
  const bus = yield* Files.exists("/run/dbus/system_bus_socket")
  return {
    systemd,
    machined: systemd && machined && bus,
    cgroups: yield* Cgroup.mountPoint,
    root: isRoot()
  }
})

/** What /etc/resolv.conf says here, None where it says nothing. */
export const resolver: Effect.Effect<Option.Option<string>, PlatformError.PlatformError> = Files.readText(
  "/etc/resolv.conf"
)

/** This boot of the host: what is remembered under it is forgotten by a reboot. */
export const bootId: Effect.Effect<string, PlatformError.PlatformError> = Effect.map(
  Files.readText("/proc/sys/kernel/random/boot_id"),
  (text) => Option.getOrElse(text, () => "").trim()
)

/** A process that can be found again: its id alone would be reused. */
export const ProcessIdentity = Schema.Struct({
  pid: Schema.Int,
  /** Clock ticks from boot to its start (proc_pid_stat(5), field 22). */
  startTicks: Schema.String,
  bootId: Schema.String
})
export type ProcessIdentity = typeof ProcessIdentity.Type

/** Ourselves. */
export const self: Effect.Effect<ProcessIdentity, PlatformError.PlatformError> = Effect.suspend(() =>
  Effect.all({
    pid: Effect.succeed(process.pid),
    startTicks: Effect.map(
      startTicks(process.pid),
      Option.getOrElse(() => "")
    ),
    bootId
  })
)

/** True while that very process lives. */
export const isAlive = (identity: ProcessIdentity): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if (identity.bootId !== (yield* bootId)) return false
    return Option.contains(yield* startTicks(identity.pid), identity.startTicks)
  })

const startTicks = (pid: number): Effect.Effect<Option.Option<string>, PlatformError.PlatformError> =>
  Effect.map(
    Files.readText(`/proc/${pid}/stat`),
    // The second field is the command's name in parentheses, which may hold spaces and parentheses itself.
    Option.flatMap((text) => Option.fromUndefinedOr(text.slice(text.lastIndexOf(")") + 2).split(" ")[19]))
  )
