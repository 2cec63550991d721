/**
 * What a machine is, and every name that derives from it.
 *
 * All that the host picks for a machine is in its record before the first side effect, and all that undoes a machine is
 * computed from the record alone: nothing exists under a name that only its creator knew.
 */
import * as Schema from "effect/Schema"
import * as Digest from "../host/Digest.ts"
import { ProcessIdentity } from "../host/Host.ts"
import * as HostLimits from "../host/Limits.ts"

/** What a caller names a machine by: any text of 1 to 200 bytes. */
export const MachineId = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter(
      (id: string) => {
        const sizeBytes = new TextEncoder().encode(id).length
        return sizeBytes > 0 && sizeBytes <= 200 && !id.includes("\0")
      },
      { expected: "a machine id of 1 to 200 bytes" }
    )
  ),
  Schema.brand("MachineId")
)
export type MachineId = typeof MachineId.Type

/** What an id becomes on this host: every name (unit, machine, path, lock) derives from it. */
export const MachineKey = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[a-z0-9]{1,20}-[0-9a-f]{16}$/)),
  Schema.brand("MachineKey")
)
export type MachineKey = typeof MachineKey.Type

/** An image's name, which is also a folder's. */
export const ImageName = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)),
  Schema.brand("ImageName")
)
export type ImageName = typeof ImageName.Type

export const BackendName = Schema.Literals(["btrfs", "overlay", "reflink", "copy", "tmpfs"])
export type BackendName = typeof BackendName.Type

export const EngineName = Schema.Literals(["managed", "standalone"])
export type EngineName = typeof EngineName.Type

/** `users`: root in the machine is nobody on the host. `none`: the ids are the host's own. */
export const Isolation = Schema.Literals(["users", "none"])
export type Isolation = typeof Isolation.Type

/** `host`: the host's network. `none`: a loopback of its own and nothing else. */
export const Network = Schema.Literals(["host", "none"])
export type Network = typeof Network.Type

/** The name of an environment variable, as POSIX shells can export it. */
export const VariableName = Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z_][A-Za-z0-9_]*$/)))

/** A folder or file of the host's that a machine sees. */
export const Bind = Schema.Struct({
  source: Schema.String,
  target: Schema.String,
  writable: Schema.Boolean,
  /** False: its files belong to nobody in the machine, which is enough for what everybody may read, on any file system. */
  mapped: Schema.optionalKey(Schema.Boolean)
})
export type Bind = typeof Bind.Type

/** Limits of a machine as a whole. */
export const Limits = HostLimits.Limits
export type Limits = HostLimits.Limits

/** The durable description of one machine. */
export const MachineRecord = Schema.Struct({
  version: Schema.Literal(1),
  id: MachineId,
  key: MachineKey,
  /** The state folder, absolute, links resolved. */
  root: Schema.String,
  image: Schema.String,
  /** The tree that the machine's root is made from. */
  generation: Schema.String,
  backend: BackendName,
  engine: EngineName,
  isolation: Isolation,
  /** The first of the 65,536 host ids that are the machine's; 0 without isolation. */
  range: Schema.Int,
  /** How file ownership follows the range: an ID-mapped mount, chown(2) of every file, or files that are right already. */
  ownership: Schema.Literals(["map", "chown", "off"]),
  /** `init`: systemd, what no job needs masked. `full`: systemd, nothing masked. `none`: no init, the door alone. */
  boot: Schema.Literals(["init", "full", "none"]),
  bootTimeoutMs: Schema.Number,
  network: Network,
  binds: Schema.Array(Bind),
  /** Added to the plain environment of every run. */
  environment: Schema.Record(VariableName, Schema.String),
  limits: Limits,
  /** /tmp in RAM, of this size; absent: /tmp is on the machine's root. */
  tmpSizeBytes: Schema.optionalKey(Schema.Number),
  hostname: Schema.String,
  /** machine-id(5) of the machine, its own. */
  machineId: Schema.String,
  /** systemd-machined knows the machine. */
  registered: Schema.Boolean,
  /** The machine's cgroup, as a folder of cgroupfs. */
  cgroup: Schema.String,
  /** The process whose machine this is: it goes when the process went. Absent: it stays until it is released. */
  owner: Schema.optionalKey(ProcessIdentity),
  createdMs: Schema.Number,
  /** From then on nothing needs the machine any more, and gc releases it, running or not. Absent: never by itself. */
  expiresMs: Schema.optionalKey(Schema.Number),
  /** It stays until then though its work is done: for somebody to look at. */
  keptUntilMs: Schema.optionalKey(Schema.Number),
  /** The boot of the host in which it was made: no machine outlives it. */
  bootId: Schema.String
})
export type MachineRecord = typeof MachineRecord.Type

/** Ids of each machine: 0 to 65,535 inside. */
export const rangeSize = 65_536
/** The ranges that systemd sets aside for containers (UIDS-GIDS.md of systemd): first, and one past the last. */
export const firstRange = 524_288
export const endOfRanges = 1_879_048_192

/** The key of an id: two ids, or one id in two state folders, never share one (64 bits of SHA-256). */
export const keyOf = (root: string, id: MachineId): MachineKey =>
  MachineKey.make(`${Digest.readable(id, "machine")}-${Digest.hex(root, id).slice(0, 16)}`)

/** The name of a lock of a state folder's that is not a machine's: those are called by its key. */
export const lockOf = (root: string, what: string): string => `${what}-${Digest.hex(root).slice(0, 16)}`

/** A host name (RFC 1123 label) as close to the id as it can be. */
export const hostnameOf = (id: MachineId): string => {
  const label = id
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, "")
  return label === "" ? "machine" : label
}

type Named = Pick<MachineRecord, "root" | "key">

/** The file of the record itself. */
export const fileOf = (record: Named): string => `${record.root}/records/${record.key}.json`
/** The machine's folder, which release deletes whole. */
export const folderOf = (record: Named): string => `${record.root}/machines/${record.key}`
/** The machine's root tree. */
export const treeOf = (record: Named): string => `${folderOf(record)}/root`
/** The folder that the machine sees as /run/redd. */
export const doorOf = (record: Named): string => `${folderOf(record)}/door`
/** The start of the console's output, where no journal keeps it. */
export const consoleOf = (record: Named): string => `${folderOf(record)}/console`
/** The unit of a machine under the managed engine. */
export const unitOf = (record: Pick<MachineRecord, "key">): string => `redd-${record.key}.service`
/** The slice of machines under the managed engine, where systemd-nspawn@.service puts them too (systemd.special(7)). */
export const slice = "machine.slice"
/** The cgroup of the door, below which each run has its own. */
export const doorCgroupOf = (record: Pick<MachineRecord, "cgroup" | "boot">): string =>
  record.boot === "none" ? `${record.cgroup}/payload` : `${record.cgroup}/payload/system.slice/redd-door.service`
