/**
 * Strays: what has a machine's name on this host, or lies where machines do, and has no record.
 *
 * Redd leaves none, whoever is killed: a record outlives all that it names. They come from records that somebody deleted
 * or lost, and are removed by who wants that; but for a folder alone, which comes from a power cut. Other state folders of
 * the host have machines too: theirs have a lease as long as they have a name, and what runs is ours only if it runs on a
 * tree of ours.
 */
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
import { fileOf, folderOf, MachineKey, treeOf } from "../record/MachineRecord.ts"
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
      const look = Effect.gen(function* () {
        if (yield* Files.exists(`${root}/records/${name}.json`)) return
        const stray = yield* examine(root, name)
        if (stray.found.length === 0) return
        strays.push({ machine: name, found: stray.found })
        if (remove) yield* stray.remove
      })
      yield* Lock.ifFree(name, look)
    }
    return strays
  })

/**
 * Deletes what power cuts left: of a machine that has nothing in /run, an empty record, or a folder without a record.
 * Returns what they are. A machine whose record somebody deleted or emptied has its lease, until the host reboots.
 */
export const sweep = (
  root: string,
  options: { readonly dryRun: boolean }
): Effect.Effect<ReadonlyArray<string>, Tree.TreeError> =>
  Effect.gen(function* () {
    const swept: Array<string> = []
    const records = (yield* Files.list(`${root}/records`)).flatMap((name) => /^(.*)\.json$/.exec(name)?.[1] ?? [])
    for (const key of new Set([...(yield* Files.list(`${root}/machines`)), ...records])) {
      if (!isKey(key) || (yield* leftBy(root, key)).length === 0) continue
      const sweepIt = Effect.map(sweepOne(root, key, options), (paths) => void swept.push(...paths))
      yield* Lock.ifFree(key, sweepIt)
    }
    return swept
  })

/** The same for one key, for who holds its lock. */
export const sweepOne = (
  root: string,
  key: MachineKey,
  options: { readonly dryRun: boolean }
): Effect.Effect<ReadonlyArray<string>, Tree.TreeError> =>
  Effect.gen(function* () {
    const paths = yield* leftBy(root, key)
    if (paths.length === 0) return []
    const { found } = yield* examine(root, key)
    if (!found.every((path) => paths.includes(path))) return []
    if (!options.dryRun) {
      yield* Tree.remove(folderOf({ root, key }))
      yield* Files.remove(fileOf({ root, key }))
    }
    return paths
  })

/**
 * What there is of a machine without a record, or with an empty one. File systems may have a name on their disk before
 * its content; and btrfs the end of a record before the end of the tree: the one is in its log, the other waits for its
 * next transaction.
 */
const leftBy = (root: string, key: MachineKey): Effect.Effect<ReadonlyArray<string>, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const record = yield* Files.find(fileOf({ root, key }))
    if (Option.exists(record, ({ sizeBytes }) => sizeBytes > 0)) return []
    const folder = folderOf({ root, key })
    return [
      ...((yield* Files.exists(folder)) ? [folder] : []),
      ...(Option.isSome(record) ? [fileOf({ root, key })] : [])
    ]
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

/** What there is of one name, but for its record, and what removes it; both under its lock. */
const examine = (root: string, name: string) =>
  Effect.gen(function* () {
    const key = Schema.decodeUnknownOption(MachineKey)(name)
    const folder = `${root}/machines/${name}`
    const mounts = (yield* Mounts.below(folder)).map((mount) => mount.path)
    const holders = Option.isSome(key) ? yield* holdersOf(root, key.value) : []
    const leases = (yield* Ranges.leases).filter((lease) => lease.key === name && isIn(root, lease))
    const paths = [...mounts, folder, ...leases.map((lease) => lease.path)]
    const found: Array<string> = holders.flatMap((holder) => holder.paths)
    for (const path of paths) if (yield* Files.exists(path)) found.push(path)
    const remove: Effect.Effect<void, EngineError | Tree.TreeError> = Effect.gen(function* () {
      for (const { stop } of holders) yield* stop
      yield* Mounts.unmount(folder)
      yield* Tree.remove(folder)
      for (const { path } of leases) yield* Files.remove(path)
    })
    return { found, remove }
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
