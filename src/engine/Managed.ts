/** The host's systemd holds the machine: a transient service with a delegated cgroup. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Limits from "../host/Limits.ts"
import * as Units from "../host/Units.ts"
import { slice, unitOf } from "../record/MachineRecord.ts"
import { type Engine, forgetNspawn, killPayload } from "./Engine.ts"
import { nspawnArguments, nspawnEnvironment } from "./NspawnArguments.ts"

export const managed: Engine = {
  name: "managed",
  unfit: (host) => (host.systemd ? Option.none() : Option.some("PID 1 is not systemd")),
  cgroup: (key) => `${slice}/${unitOf({ key })}`,
  start: (record) =>
    Units.start({
      unit: unitOf(record),
      slice,
      description: `Redd machine ${record.key}`,
      properties: [...fixedProperties, ...limitProperties(record.limits)],
      environment: nspawnEnvironment,
      command: nspawnArguments(record)
    }),
  stop: (record) =>
    Effect.gen(function* () {
      yield* killPayload(record)
      yield* Units.stop(unitOf(record))
      yield* forgetNspawn(record)
    }),
  console: (record, lines) => Units.journal(unitOf(record), lines, record.createdMs)
}

const fixedProperties: ReadonlyArray<string> = [
  "Delegate=yes",
  // What is in the payload dies with systemd-nspawn, at once; systemd-nspawn itself gets the time to clean up.
  "KillMode=mixed",
  "TimeoutStopSec=10s",
  // As in systemd-nspawn@.service: no device of the host's, whatever the machine may mknod(2).
  "DevicePolicy=closed",
  "DeviceAllow=/dev/net/tun rwm",
  "DeviceAllow=char-pts rw"
]

// TasksMax= of systemd's default would be 15 % of what the host can do, for all that a machine runs.
const limitProperties = (limits: Limits.Limits): ReadonlyArray<string> => [
  ...(limits.tasks === undefined ? ["TasksMax=infinity"] : []),
  ...Limits.properties(limits)
]
