/**
 * Strays: what has a machine's name on this host, or lies where machines do, and has no record.
 *
 * Redd leaves none, whoever is killed: a record outlives all that it names. They come from records that somebody deleted
 * or lost, and are removed by who wants that; but for a folder alone, which comes from a power cut. Other state folders of
 * the host have machines too: theirs have a lease as long as they have a name, and what runs is ours only if it runs on a
 * tree of ours.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { type EngineError, nspawnFolders } from "../engine/Engine.ts"
import * as Engines from "../engine/Engines.ts"
import * as Cgroup from "../host/Cgroup.ts"
import * as Files from "../host/Files.ts"
import * as Lock from "../host/Lock.ts"
import * as Mounts from "../host/Mounts.ts"
import * as Tree from "../host/Tree.ts"
import { fileOf, MachineKey, treeOf } from "../record/MachineRecord.ts"
import * as Ranges from "./Ranges.ts"
import * as Ready from "./Ready.ts"

/** What is left of one machine. */
export interface Stray {
  /** The machine's key; or whatever else lies among the machines' folders is called. */
  readonly machine: string
  /** Paths: cgroups, mounts, folders, leases, what systemd-nspawn keeps in /run. */
  readonly found: ReadonlyArray<string>
}

/** Every stray of a state folder, removed where that is wanted. What another process works on is passed by. */
export const collect = (
  root: string,
  remove: boolean
): Effect.Effect<ReadonlyArray<Stray>, EngineError | Tree.TreeError> =>
  Effect.gen(function* () {
    const strays: Array<Stray> = []
    for (const name of yield* candidates(root)) {
      // Most have a record. Whether those that have none still have none is looked at under the lock.
      if (yield* Files.exists(`${root}/records/${name}.json`)) continue
      const stray = yield* Effect.andThen(Lock.hold(name, Duration.zero), examine(root, name, remove)).pipe(
        Effect.scoped,
        Effect.catchTag("LockHeld", () => Effect.succeed({ machine: name, found: [] }))
      )
      if (stray.found.length > 0) strays.push(stray)
    }
    return strays
  })

/**
 * Deletes folders that have a key's name, no record, and nothing in /run: a power cut brought them back. btrfs may have the
 * end of a record on its disk before the end of the tree: the one is in its log once another record is stored, the other
 * waits for its next transaction. Returns what they are. A machine whose record somebody deleted has its lease, until
 * the host reboots.
 */
export const sweep = (
  root: string,
  options: { readonly dryRun: boolean }
): Effect.Effect<ReadonlyArray<string>, EngineError | Tree.TreeError> =>
  Effect.gen(function* () {
    const swept: Array<string> = []
    for (const name of yield* Files.list(`${root}/machines`)) {
      if (!isKey(name) || (yield* Files.exists(fileOf({ root, key: name })))) continue
      const folder = `${root}/machines/${name}`
      yield* Effect.gen(function* () {
        yield* Lock.hold(name, Duration.zero)
        const { found } = yield* examine(root, name, false)
        if (found.length !== 1 || found[0] !== folder) return
        if (!options.dryRun) yield* Tree.remove(folder)
        swept.push(folder)
      }).pipe(
        Effect.scoped,
        Effect.catchTag("LockHeld", () => Effect.void)
      )
    }
    return swept
  })

/** Names that machines have on this host, of whatever state folder. */
const candidates = (root: string): Effect.Effect<ReadonlyArray<string>, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const machines = `${root}/machines`
    const found = new Set(yield* Files.list(machines))
    for (const { path } of yield* Mounts.below(machines)) found.add(path.slice(machines.length + 1).split("/")[0] ?? "")
    for (const lease of yield* Ranges.leases) if (isIn(root, lease)) found.add(lease.key)
    const cgroups = Option.getOrElse(yield* Cgroup.mountPoint, () => "/sys/fs/cgroup")
    const places = Engines.all.map((engine) => parentOf(`${cgroups}/${engine.cgroup(anyKey)}`))
    for (const place of [...places, ...nspawnFolders, Ready.folder]) {
      for (const name of yield* Files.list(place)) {
        const key = /(?<![a-z0-9])[a-z0-9]{1,20}-[0-9a-f]{16}(?![a-z0-9])/.exec(name)?.[0]
        if (key !== undefined) found.add(key)
      }
    }
    return [...found].filter((name) => name !== "").sort()
  })

/** What there is of one name, under its lock. Nothing where it has a record. */
const examine = (root: string, name: string, remove: boolean): Effect.Effect<Stray, EngineError | Tree.TreeError> =>
  Effect.gen(function* () {
    const key = Schema.decodeUnknownOption(MachineKey)(name)
    const stray: Stray = { machine: name, found: [] }
    if (Option.isSome(key) && (yield* Files.exists(fileOf({ root, key: key.value })))) return stray
    const folder = `${root}/machines/${name}`
    const mounts = (yield* Mounts.below(folder)).map((mount) => mount.path)
    const holders = Option.isSome(key) ? yield* holdersOf(root, key.value) : []
    const leases = (yield* Ranges.leases).filter((lease) => lease.key === name && isIn(root, lease))
    const paths = [...mounts, folder, ...leases.map((lease) => lease.path)]
    const there: Array<string> = holders.flatMap((holder) => holder.paths)
    for (const path of paths) if (yield* Files.exists(path)) there.push(path)
    if (remove && there.length > 0) {
      for (const { stop } of holders) yield* stop
      yield* Mounts.unmount(folder)
      yield* Tree.remove(folder)
      for (const { path } of leases) yield* Files.remove(path)
    }
    return { machine: name, found: there }
  })

interface Holder {
  readonly paths: ReadonlyArray<string>
  readonly stop: Effect.Effect<void, EngineError>
}

/** Cgroups and the like that have this key, unless they are another state folder's. */
const holdersOf = (root: string, key: MachineKey): Effect.Effect<ReadonlyArray<Holder>, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const cgroups = Option.getOrElse(yield* Cgroup.mountPoint, () => "/sys/fs/cgroup")
    const all = Engines.all.map((engine) => ({ engine, cgroup: `${cgroups}/${engine.cgroup(key)}` }))
    const holders: Array<Holder> = []
    for (const { cgroup, engine } of all) {
      if (!(yield* Files.exists(cgroup))) continue
      if ((yield* Cgroup.isPopulated(cgroup)) && !(yield* runsOn(treeOf({ root, key }), cgroup))) return []
      holders.push({ paths: [cgroup], stop: engine.stop({ key, cgroup }) })
    }
    for (const folder of nspawnFolders) {
      const path = `${folder}/${key}`
      if (!(yield* Files.exists(path))) continue
      holders.push({ paths: [path], stop: Effect.andThen(Mounts.unmount(path), Files.removeFolder(path)) })
    }
    const mark = `${Ready.folder}/${key}`
    if (yield* Files.exists(mark)) holders.push({ paths: [mark], stop: Files.remove(mark) })
    // After the names: who makes a machine leases before it names, and gives the lease back last.
    const isOthers = (yield* Ranges.leases).some((lease) => lease.key === key && !isIn(root, lease))
    return isOthers ? [] : holders
  })

/** What runs in a machine's cgroup runs on this tree: the tree is there, or systemd-nspawn says so. */
const runsOn = (tree: string, cgroup: string): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if (yield* Files.exists(tree)) return true
    for (const pid of yield* Cgroup.processes(`${cgroup}/supervisor`)) {
      const words = Option.getOrElse(yield* Files.readText(`/proc/${pid}/cmdline`), () => "")
      if (words.split("\0").includes(`--directory=${tree}`)) return true
    }
    return false
  })

const isKey = Schema.is(MachineKey)
const isIn = (root: string, lease: Ranges.Lease): boolean => lease.record.startsWith(`${root}/records/`)
const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"))
const anyKey = MachineKey.make("any-0000000000000000")
