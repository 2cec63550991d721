/**
 * A terminal in a machine, for a person: through machinectl(1) where the machine is registered and has a D-Bus, else by
 * nsenter(1). Unlike the door, nsenter bypasses systemd-nspawn's seccomp filter and capabilities, so jobs never get it.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Cgroup from "../host/Cgroup.ts"
import * as Files from "../host/Files.ts"
import * as Tool from "../host/Tool.ts"
import type { MachineRecord } from "../record/MachineRecord.ts"
import * as Exec from "./Exec.ts"

/** Nothing of the machine runs. */
export class MachineDead extends Schema.TaggedError<MachineDead>()("MachineDead", { id: Schema.String }) {
  override get message(): string {
    return `Machine "${this.id}" is dead: nothing of it runs.`
  }
  get hint(): string {
    return "remove it with redd cleanup, and prepare it again"
  }
}

/** An interactive shell of root on our own terminal. Returns the exit code of whoever provides it. */
export const open = (record: MachineRecord): Effect.Effect<number, MachineDead | Exec.ExecError> =>
  Effect.gen(function* () {
    const leader = yield* findLeader(record)
    if (Option.isNone(leader)) return yield* new MachineDead({ id: record.id })
    const bus = yield* Exec.collect(
      record,
      { _tag: "Words", words: ["test", "-S", "/run/dbus/system_bus_socket"] },
      {
        mostBytes: 0,
        timeout: Duration.seconds(5)
      }
    )
    return record.registered && Exec.exitCode(bus.exit) === 0
      ? yield* Tool.attach("machinectl", ["--quiet", "shell", `root@${record.key}`])
      : yield* Tool.attach("nsenter", ["--target", String(leader.value), "--all", "--wdns=/", "/bin/sh", "-l"])
  })

/** The process that is number 1 inside: the last of its ids (NSpid in proc_pid_status(5)) says so. */
const findLeader = (record: MachineRecord): Effect.Effect<Option.Option<number>, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    for (const pid of yield* Cgroup.processes(`${record.cgroup}/payload`)) {
      const status = yield* Files.readText(`/proc/${pid}/status`)
      if (Option.exists(status, (text) => /^NSpid:.*\t1$/m.test(text))) return Option.some(pid)
    }
    return Option.none()
  })
