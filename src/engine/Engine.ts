/**
 * Who holds a machine's processes.
 *
 * An engine starts systemd-nspawn on the machine's root in the cgroup that the record names, and ends all of it. Both
 * engines leave the same layout: `supervisor` with systemd-nspawn itself and `payload` with the machine's own processes,
 * so that what happens in a machine is looked up in its cgroup and never asked of an engine.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Cgroup from "../host/Cgroup.ts"
import * as Files from "../host/Files.ts"
import * as HostLimits from "../host/Limits.ts"
import type { Host } from "../host/Host.ts"
import * as Mounts from "../host/Mounts.ts"
import type * as Tool from "../host/Tool.ts"
import type { EngineName, Limits, MachineRecord } from "../record/MachineRecord.ts"

export type EngineError = Cgroup.CgroupStuck | Tool.ToolError | PlatformError.PlatformError

export interface Engine {
  readonly name: EngineName
  /** Why this engine cannot work on this host; None when it can. */
  unfit(host: Host): Option.Option<string>
  /** The machine's cgroup, below where cgroup v2 is mounted. */
  cgroup(key: MachineRecord["key"]): string
  /** Starts the machine. Returns when systemd-nspawn runs, long before the machine accepts commands. */
  start(record: MachineRecord): Effect.Effect<void, EngineError>
  /** Kills the payload, waits until nothing of the machine runs, and removes what systemd-nspawn left. Absent is a success. */
  stop(record: Pick<MachineRecord, "key" | "cgroup">): Effect.Effect<void, EngineError>
  /** The last lines of the machine's console, as it wrote them. */
  console(record: MachineRecord, lines: number): Effect.Effect<string, EngineError>
}

/** True while anything of the machine runs, systemd-nspawn included. */
export const isAlive = (record: Pick<MachineRecord, "cgroup">): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Cgroup.isPopulated(record.cgroup)

/** True while a process of the machine's own runs. */
export const hasPayload = (
  record: Pick<MachineRecord, "cgroup">
): Effect.Effect<boolean, PlatformError.PlatformError> => Cgroup.isPopulated(`${record.cgroup}/payload`)

/**
 * Asks the machine to power off, and waits for it at most `grace`: SIGTERM to systemd-nspawn, which sends its init the
 * signal that stands for that (systemd-nspawn(1), --kill-signal=). False when it did not in time.
 */
export const powerOff = (
  record: MachineRecord,
  grace: Duration.Duration
): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Effect.andThen(
    Cgroup.signal(`${record.cgroup}/${record.boot === "none" ? "payload" : "supervisor"}`, "SIGTERM"),
    Cgroup.awaitEmpty(`${record.cgroup}/payload`, grace)
  )

/** Kills the payload and gives systemd-nspawn the moment it needs to take away its own mounts and registration. */
export const killPayload = (record: Pick<MachineRecord, "cgroup">): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.andThen(
    Cgroup.kill(`${record.cgroup}/payload`),
    Effect.asVoid(Cgroup.awaitEmpty(record.cgroup, Duration.seconds(2)))
  )

/** Where systemd-nspawn keeps a folder for each machine. */
export const nspawnFolders: ReadonlyArray<string> = ["/run/systemd/nspawn/unix-export", "/run/systemd/nspawn/propagate"]

/** What a systemd-nspawn that was killed leaves in /run; the next start under the same name would fail on the mount, once. */
export const forgetNspawn = (record: Pick<MachineRecord, "key">): Effect.Effect<void, EngineError> =>
  Effect.gen(function* () {
    for (const folder of nspawnFolders) {
      const path = `${folder}/${record.key}`
      yield* Mounts.unmount(path)
      yield* Files.removeFolder(path)
    }
  })

/** Which of these limits this host accepts and does not enforce: cgroup v2 has no controller for them here. */
export const unenforced = (limits: Limits): Effect.Effect<ReadonlyArray<string>, PlatformError.PlatformError> =>
  Effect.flatMap(Cgroup.mountPoint, (mountPoint) => HostLimits.unenforced(mountPoint, limits))
