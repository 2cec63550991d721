/**
 * Root trees: made, copied, looked into, deleted, as cheaply as the file system allows.
 *
 * `remove` is the only function of Redd that deletes a tree, and it refuses while anything is mounted below it: `rm -r`
 * through a forgotten bind mount empties the host's folder, and `--one-file-system` does not help, since a bind mount of
 * the same file system is the same file system.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Files from "./Files.ts"
import * as Mounts from "./Mounts.ts"
import * as Tool from "./Tool.ts"

/** Something is mounted below a tree that was to be deleted. Nothing was deleted. */
export class TreeMounted extends Schema.TaggedError<TreeMounted>()("TreeMounted", {
  path: Schema.String,
  mounts: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `Refused to delete ${this.path}: something is mounted at ${this.mounts.join(", ")}.`
  }
  get hint(): string {
    return `unmount it (umount ${this.mounts.at(-1)}), then run redd gc`
  }
}

export type TreeError = TreeMounted | Tool.ToolError | PlatformError.PlatformError

/** statfs(2) magic numbers of the file systems that Redd knows something about. */
export const magic = {
  btrfs: 0x9123683e,
  xfs: 0x58465342,
  ext: 0xef53,
  tmpfs: 0x01021994,
  overlay: 0x794c7630
} as const

/** True on file systems that are known to take an ID-mapped mount (mount_setattr(2)). */
export const isMappable = (path: string): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Effect.map(Files.fileSystem(path), (found) => mappable.has(found.magic))

const mappable: ReadonlySet<number> = new Set([magic.btrfs, magic.xfs, magic.ext])

/** What the files of a tree occupy, in bytes, those that it shares with others included; nothing that is mounted below. */
export const sizeBytes = (path: string): Effect.Effect<number, Tool.ToolError> =>
  Effect.map(Tool.run("du", ["--summarize", "--block-size=1", "--one-file-system", path]), (said) =>
    Number(/^\d+/.exec(said)?.[0] ?? 0)
  )

/** True where `path` is the top of a btrfs subvolume: its inode is 256 (btrfs-subvolume(8)). */
export const isSubvolume = (path: string): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const entry = yield* Files.find(path)
    if (!Option.exists(entry, (found) => found.kind === "directory" && found.inode === 256)) return false
    return (yield* Files.fileSystem(path)).magic === magic.btrfs
  })

/** Makes an empty tree: a subvolume on btrfs, so that it can be snapshot; a folder elsewhere. */
export const make = (path: string, parent: string): Effect.Effect<void, Tool.ToolError | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if ((yield* Files.fileSystem(parent)).magic === magic.btrfs) yield* Tool.run("btrfs", ["subvolume", "create", path])
    else yield* Files.claimFolder(path, 0o755)
  })

/** A writable snapshot of a subvolume: no byte is copied. */
export const snapshot = (from: string, to: string): Effect.Effect<void, Tool.ToolError> =>
  Effect.asVoid(Tool.run("btrfs", ["subvolume", "snapshot", from, to]))

/** A copy of a tree with all that root can copy: owners, modes, times, links, xattrs. `to` must not exist. */
export const copy = (
  from: string,
  to: string,
  reflink: "always" | "auto" | "never"
): Effect.Effect<void, Tool.ToolError> =>
  Effect.asVoid(Tool.run("cp", ["--archive", `--reflink=${reflink}`, "--no-target-directory", "--", from, to]))

/** Waits until btrfs has given back the space of deleted subvolumes (btrfs-subvolume(8), sync). */
export const awaitDeleted = (path: string): Effect.Effect<void, Tool.ToolError> =>
  Effect.andThen(
    Tool.run("btrfs", ["subvolume", "sync", path]),
    Effect.asVoid(Tool.run("btrfs", ["filesystem", "sync", path]))
  )

/** Writes a whole tree out to its disk, with all else of its file system (syncfs(2)): a power cut cannot lose it then. */
export const persist = (path: string): Effect.Effect<void, Tool.ToolError> =>
  Effect.asVoid(Tool.run("sync", ["--file-system", path]))

/** Deletes a tree whole: nested and read-only subvolumes, immutable files and 0555 folders too. Absent is a success. */
export const remove = (path: string): Effect.Effect<void, TreeError> =>
  Effect.gen(function* () {
    const mounts = yield* Mounts.below(path)
    if (mounts.length > 0) return yield* new TreeMounted({ path, mounts: mounts.map((mount) => mount.path) })
    if (!(yield* Files.exists(path))) return
    const erase = (yield* isSubvolume(path))
      ? Tool.run("btrfs", ["subvolume", "delete", path])
      : Tool.run("rm", ["-rf", "--", path])
    // The plain way first: what can make it fail is rare, and looking for it costs a walk over the whole tree.
    yield* Effect.catchTag(erase, "ToolFailed", () => Effect.andThen(unlock(path), erase))
  })

/** Where a path inside a tree really lies on the host, its links followed as the tree's own root would see them. */
export const resolve = (
  root: string,
  path: string
): Effect.Effect<Option.Option<string>, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const waiting = path.split("/").reverse()
    let inside: ReadonlyArray<string> = []
    let links = 0
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      if (name === "" || name === ".") continue
      if (name === "..") {
        inside = inside.slice(0, -1)
        continue
      }
      const here = [root, ...inside, name].join("/")
      const entry = yield* Files.find(here)
      if (Option.isNone(entry)) return Option.none()
      if (entry.value.kind !== "link") {
        inside = [...inside, name]
        continue
      }
      if (++links > 40) return Option.none()
      const target = Option.getOrElse(yield* Files.readLink(here), () => "")
      if (target.startsWith("/")) inside = []
      waiting.push(...target.split("/").reverse())
    }
    return Option.some([root, ...inside].join("/"))
  })

/** Takes away what keeps root from deleting: immutable and append-only flags (chattr(1)), subvolumes below. */
const unlock = (path: string): Effect.Effect<void, Tool.ToolError | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const onBtrfs = (yield* Files.fileSystem(path)).magic === magic.btrfs
    // -depth: deepest first. A name may hold a newline, hence NUL.
    const nested = onBtrfs ? yield* Tool.run("find", [path, "-depth", "-inum", "256", "-type", "d", "-print0"]) : ""
    const subvolumes = nested.split("\0").filter((found) => found !== "")
    for (const subvolume of subvolumes)
      yield* Tool.run("btrfs", ["property", "set", "-f", "-ts", subvolume, "ro", "false"])
    yield* Effect.ignore(Tool.run("chattr", ["-R", "-f", "-i", "-a", path]))
    for (const subvolume of subvolumes) {
      if (subvolume !== path) yield* Tool.run("btrfs", ["subvolume", "delete", subvolume])
    }
  })
