/**
 * Archives of tar(1) that nobody vouches for, unpacked into a tree.
 *
 * An archive is looked through before anything of it is written, and refused by the name of the first entry that does not
 * belong into a tree. It is tar itself that says what is in it, so the two cannot read it differently. What was overlooked
 * still does not leave the tree: tar sees /usr and the archive, read-only, and the tree, and has no right to make devices.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Stream from "effect/Stream"
import * as Files from "../host/Files.ts"
import * as Text from "../host/Text.ts"
import * as Tool from "../host/Tool.ts"
import { BootstrapFailed } from "./Bootstrap.ts"

/** What an archive has in it, as tar lists it. */
export interface Entry {
  /** As tar writes the first letter of a mode: `-` `d` `l` (symbolic link) `h` (hard link), `c` `b` `p` and others. */
  readonly kind: string
  /** As it stands in the archive. */
  readonly name: string
  /** Where a link points. */
  readonly target: string | undefined
}

/** An entry, and where in the tree it goes: names joined by `/`, no link on the way; empty is the tree itself. */
export interface Placed extends Entry {
  readonly path: string
}

export type ArchiveError = BootstrapFailed | Tool.ToolError | PlatformError.PlatformError

/**
 * What an archive has in it, in its order. Fails on an archive that tar cannot read to its end.
 *
 * `bootstrap` is named in errors.
 */
export const list = (
  file: string,
  tree: string,
  bootstrap: string
): Effect.Effect<ReadonlyArray<Entry>, ArchiveError> =>
  Effect.gen(function* () {
    yield* ready(file, bootstrap)
    const entries: Array<Entry> = []
    yield* Tool.stream("unshare", confined(file, tree, ["--list", ...listing])).pipe(
      Stream.decodeText,
      Stream.splitLines,
      Stream.runForEach((line) => {
        const entry = parseLine(line)
        if (entry === undefined)
          return refuse(bootstrap, `tar says of an entry what is not understood: ${Text.brief(line)}`)
        entries.push(entry)
        return entries.length > mostEntries
          ? refuse(bootstrap, `the archive has more than ${mostEntries} entries`)
          : Effect.void
      }),
      named
    )
    return entries
  })

/**
 * Where each entry goes. Fails with the first that does not belong into a tree: a name that leads out of it, one below a
 * link that does, anything but files, folders and links. What is in `dev/` is not unpacked, and may be a device.
 *
 * A link may point wherever it likes, since a tree's `/` is its own once it runs. Until then it is the host's, and nothing
 * may be written through it. `linkAt` says what links are in the tree already.
 */
export const place = <E>(
  entries: ReadonlyArray<Entry>,
  bootstrap: string,
  linkAt: (path: string) => Effect.Effect<string | undefined, E>
): Effect.Effect<ReadonlyArray<Placed>, BootstrapFailed | E> =>
  Effect.gen(function* () {
    /** What this archive makes of a path: a link's target, or nothing that leads elsewhere. */
    const made = new Map<string, string | undefined>()
    const linkNow = (path: string) => (made.has(path) ? Effect.succeed(made.get(path)) : linkAt(path))
    /** Folders that were looked at, as long as no new link could change the answer. */
    const seen = new Map<string, string | undefined>()
    const locate = (name: string) =>
      Effect.gen(function* () {
        const cut = name.replace(/\/+$/, "").lastIndexOf("/")
        const [folder, base] = [name.slice(0, Math.max(cut, 0)), name.slice(cut + 1).replace(/\/+$/, "")]
        if (!seen.has(folder)) seen.set(folder, yield* follow(folder, linkNow))
        const physical = seen.get(folder)
        return physical === undefined ? undefined : join(physical, base)
      })
    const placed: Array<Placed> = []
    for (const entry of entries) {
      if (isLeftOut(entry)) continue
      const fault = faultOf(entry)
      if (fault !== undefined) return yield* refuse(bootstrap, fault)
      const path = yield* locate(entry.name)
      if (path === undefined)
        return yield* refuse(
          bootstrap,
          `"${Text.brief(entry.name)}" would be written through a link that leads out of the tree`
        )
      if (path === "" && entry.kind !== "d")
        return yield* refuse(bootstrap, `"${Text.brief(entry.name)}" would be the tree itself, and is no folder`)
      if (entry.kind === "h" && (yield* locate(entry.target ?? "")) === undefined)
        return yield* refuse(bootstrap, `"${Text.brief(entry.name)}" is linked to what lies outside of the tree`)
      made.set(path, entry.kind === "l" ? (entry.target ?? "") : undefined)
      if (entry.kind === "l") seen.clear()
      placed.push({ ...entry, path })
    }
    return placed
  })

/** Unpacks into a tree what was looked through, but for names that match a pattern of `without`. */
export const unpack = (
  file: string,
  tree: string,
  options: { readonly progress: (text: string) => void; readonly without?: string | undefined }
): Effect.Effect<void, Tool.ToolError> => {
  const without = options.without === undefined ? [] : ["--no-anchored", `--exclude=${options.without}`]
  const args = confined(file, tree, ["--extract", ...faithful, ...leftOut, ...without])
  return Effect.asVoid(named(Tool.run("unshare", args, { progress: options.progress })))
}

/** A line of tar's list, which is asked to write names as C does: nothing in a name can end it early. */
export const parseLine = (line: string): Entry | undefined => {
  const found = /^(\S)\S* [^"]*"((?:[^"\\]|\\.)*)"(?: (?:->|link to) "((?:[^"\\]|\\.)*)")?$/.exec(line)
  if (found === null) return undefined
  const [, kind = "", name = "", target] = found
  return { kind, name: unquote(name), target: target === undefined ? undefined : unquote(target) }
}

/** Why an entry does not belong into any tree, whatever else is in the archive. */
export const faultOf = ({ kind, name, target }: Entry): string | undefined => {
  const quoted = `"${Text.brief(name)}"`
  const what = foreign[kind]
  if (!ordinary.has(kind)) return `${quoted} is ${what ?? `of a kind that no tree has ("${Text.brief(kind)}")`}`
  if (name.startsWith("/")) return `${quoted} is an absolute name`
  if (climbs(name)) return `${quoted} leads out of the tree`
  if (kind === "h" && (target === undefined || target.startsWith("/") || climbs(target)))
    return `${quoted} is linked to "${Text.brief(target ?? "")}", outside of the tree`
  return undefined
}

/** A machine has a /dev of its own: the devices that most archives of a system have there are no loss, and nobody's risk. */
const isLeftOut = ({ kind, name }: Entry): boolean => (kind === "c" || kind === "b") && /^(\.\/)?dev\/./.test(name)
const leftOut = ["--anchored", "--exclude=dev/?*", "--exclude=./dev/?*"]

/** tar's kinds of plain files (contiguous ones too), folders and links. */
const ordinary: ReadonlySet<string> = new Set(["-", "C", "d", "l", "h"])
const foreign: Readonly<Record<string, string>> = { c: "a device", b: "a device", p: "a FIFO", s: "a socket" }

/** No name in an archive needs a `..`, whether it leads out or not. */
const climbs = (name: string): boolean => name.split("/").includes("..")

/** The folder that a path in a tree really is, its links followed; undefined where one of them leads out of the tree. */
const follow = <E>(folder: string, linkAt: (path: string) => Effect.Effect<string | undefined, E>) =>
  Effect.gen(function* () {
    const waiting = folder.split("/").reverse()
    let inside = ""
    let links = 0
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      if (name === "" || name === ".") continue
      if (name === "..") {
        if (inside === "") return undefined
        inside = inside.slice(0, Math.max(inside.lastIndexOf("/"), 0))
        continue
      }
      const here = join(inside, name)
      const target = yield* linkAt(here)
      if (target === undefined) inside = here
      else if (target.startsWith("/") || ++links > mostLinks) return undefined
      else waiting.push(...target.split("/").reverse())
    }
    return inside
  })

const join = (folder: string, name: string): string =>
  name === "" || name === "." ? folder : folder === "" ? name : `${folder}/${name}`

/** As many as the kernel follows (path_resolution(7)). */
const mostLinks = 40

/** Ten times what a large system has: the list is kept in memory. */
const mostEntries = 3_000_000

const escapes: Readonly<Record<string, string>> = { a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" }

/** A text as tar's `--quoting-style=c` writes it. Bytes that are no UTF-8 become U+FFFD. */
const unquote = (text: string): string =>
  text.replaceAll(/((?:\\[0-7]{3})+)|\\(.)/g, (_, octal: string | undefined, letter: string) =>
    octal === undefined
      ? (escapes[letter] ?? letter)
      : Buffer.from(
          octal
            .split("\\")
            .slice(1)
            .map((digits) => Number.parseInt(digits, 8))
        ).toString("utf8")
  )

const refuse = (bootstrap: string, reason: string): Effect.Effect<never, BootstrapFailed> =>
  Effect.fail(
    new BootstrapFailed({
      bootstrap,
      reason: `the archive is refused: ${reason}`,
      remedy: "if you trust who made it, make it anew without that entry (tar --exclude), from the root of the tree"
    })
  )

/** tar, and what it needs for this archive. */
const ready = (file: string, bootstrap: string) =>
  Effect.gen(function* () {
    if (!Option.exists(yield* Files.find(yield* Files.realPath(file)), ({ kind }) => kind === "file"))
      return yield* new BootstrapFailed({
        bootstrap,
        reason: `${file} is not a file`,
        remedy: "name an archive that tar can read"
      })
    yield* Tool.ensure("tar")
    // od, since its bytes are no text.
    const start = (yield* Tool.run("od", ["-An", "-v", "-tx1", "-N6", "--", file])).replaceAll(/\s/g, "")
    const compressor = compressors.find(([magic]) => start.startsWith(magic))?.[1]
    if (compressor !== undefined) yield* Tool.ensure(compressor)
  })

/** How a compressed file begins, in hexadecimal, and what tar calls for it. */
const compressors: ReadonlyArray<readonly [string, string]> = [
  ["1f8b", "gzip"],
  ["fd377a585a00", "xz"],
  ["28b52ffd", "zstd"],
  ["425a68", "bzip2"]
]

const listing = ["--verbose", "--numeric-owner", "--absolute-names", "--quoting-style=c"]

/**
 * All that a tree has. Names as they are, since they were looked through: without `--absolute-names`, tar would put links
 * off to its end. Of xattrs not `trusted.`, by which an overlay on the tree would be told what it shows.
 */
const faithful = [
  "--absolute-names",
  "--numeric-owner",
  "--same-owner",
  "--preserve-permissions",
  "--acls",
  "--xattrs",
  "--xattrs-include=user.*",
  "--xattrs-include=security.capability"
]

/** unshare(1)'s words for a tar that sees nothing of the host but /usr and this archive, and can write to this tree alone. */
const confined = (file: string, tree: string, args: ReadonlyArray<string>): ReadonlyArray<string> => [
  "--mount",
  "--propagation=slave",
  "--net",
  "--ipc",
  "/bin/sh",
  "-ec",
  confinement,
  "confined",
  file,
  tree,
  "setpriv",
  "--no-new-privs",
  `--bounding-set=-all,${rights.map((right) => `+${right}`).join(",")}`,
  "tar",
  "--file=/archive",
  "--directory=/tree",
  ...args
]

/** capabilities(7) to make any file but a device, with any owner and mode. */
const rights = ["chown", "dac_override", "dac_read_search", "fowner", "fsetid", "setfcap"]

/** The new root lies on /sys: a folder that is everywhere, that no tree lies below, and that tar does not need. */
const confinement = `
mount -t tmpfs -o mode=0755 none /sys
mkdir /sys/usr /sys/tree
: >/sys/archive
for name in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$name" ]; then ln -s "$(readlink "/$name")" "/sys/$name"
  elif [ -d "/$name" ]; then mkdir "/sys/$name"; mount --bind -o ro "/$name" "/sys/$name"
  fi
done
mount --bind -o ro /usr /sys/usr
mount --bind -o ro "$1" /sys/archive
mount --bind "$2" /sys/tree
mount -o remount,ro /sys
shift 2
exec chroot /sys "$@"`

/** What runs is tar, whatever it is run by. */
const named = <A, E>(self: Effect.Effect<A, E | Tool.ToolError>): Effect.Effect<A, E | Tool.ToolError> =>
  Effect.mapError(self, (error) =>
    error instanceof Tool.ToolFailed
      ? new Tool.ToolFailed({
          tool: "tar",
          commandLine: error.commandLine,
          code: error.code,
          signal: error.signal,
          lastLines: error.lastLines
        })
      : error
  )
