/**
 * A cgroup of our own holds the machine, where PID 1 is not systemd.
 *
 * The first thing that the machine's supervisor does is to enter the cgroup, so that killing the cgroup ends all of it,
 * whoever was killed before.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Cgroup from "../host/Cgroup.ts"
import * as Files from "../host/Files.ts"
import * as Limits from "../host/Limits.ts"
import * as Tool from "../host/Tool.ts"
import { consoleOf } from "../record/MachineRecord.ts"
import { type Engine, forgetNspawn, killPayload } from "./Engine.ts"
import { nspawnArguments, nspawnEnvironment } from "./NspawnArguments.ts"

export const standalone: Engine = {
  name: "standalone",
  unfit: (host) =>
    Option.isSome(host.cgroups)
      ? Option.none()
      : Option.some("no cgroup2 file system is mounted (mount -t cgroup2 none /sys/fs/cgroup)"),
  cgroup: (key) => `redd/${key}`,
  start: (record) =>
    Effect.gen(function* () {
      yield* Files.makeFolder(`${record.cgroup}/console`)
      yield* Limits.enableControllers(parentOf(record.cgroup))
      yield* Limits.apply(record.cgroup, record.limits)
      yield* Tool.startDetached(
        "/bin/sh",
        ["-c", supervisor, "redd", record.cgroup, consoleOf(record), ...nspawnArguments(record)],
        nspawnEnvironment
      )
      // Until the supervisor has entered, the cgroup is empty and looks like one whose machine has ended.
      yield* Cgroup.awaitPopulated(record.cgroup, Duration.seconds(5))
    }),
  stop: (record) =>
    Effect.gen(function* () {
      yield* killPayload(record)
      yield* Cgroup.destroy(record.cgroup)
      yield* forgetNspawn(record)
      // The cgroup of all machines goes with the last of them; Busy while there are others.
      yield* Effect.ignore(Files.removeFolder(parentOf(record.cgroup)))
    }),
  console: (record, lines) =>
    Effect.map(Files.readText(consoleOf(record)), (text) =>
      Option.getOrElse(text, () => "")
        .trimEnd()
        .split("\n")
        .slice(-lines)
        .join("\n")
    )
}

/**
 * The supervisor: systemd-nspawn in the machine's cgroup, and the start of its console in a file. What a machine writes
 * to its console has no end, so only the first MiB is kept: the boot. The shell and head live in a cgroup beside the
 * payload's, because a cgroup with controllers for its children holds no processes of its own (cgroup-v2.rst).
 */
const supervisor = `set -e
cgroup=$1 console=$2
shift 2
echo 0 > "$cgroup/console/cgroup.procs"
{ echo 0 > "$cgroup/cgroup.procs"; exec "$@"; } </dev/null 2>&1 | { head -c 1048576 > "$console"; exec cat >/dev/null; }`

const parentOf = (path: string) => path.slice(0, path.lastIndexOf("/"))
