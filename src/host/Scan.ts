/**
 * What is below a folder that others write to: one look at it, with the bounds that a hostile USB stick needs.
 *
 * Symbolic links below the folder are not followed, and only regular files count: what plays them has our rights, and a
 * link could have it show any file of this host, a FIFO have it wait for ever. The folder's own path may be a link.
 *
 * Every call waits in a thread of Node's (unlike those of Files): a disk that spins up, or a file server that has gone,
 * must not stop who looks after players.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"

/** A regular file. */
export interface File {
  /** Its path below the folder: `2026/menu.pdf`. */
  readonly name: string
  readonly device: number
  /** 0 on file systems that number their files anew whenever they like: FAT, FUSE, SMB. */
  readonly inode: number
  readonly sizeBytes: number
  /** When it was written (Unix time, ms). */
  readonly modifiedMs: number
  /** When it was written, or got its name, owner or mode: the later one. Where a clock was set, both may be in the future. */
  readonly changedMs: number
}

/** True where neither has been written to, nor put into the other's place. A mode or owner may have changed. */
export const isSame = (one: File, other: File): boolean =>
  one.device === other.device &&
  one.inode === other.inode &&
  one.sizeBytes === other.sizeBytes &&
  one.modifiedMs === other.modifiedMs &&
  one.name === other.name

/** Something below the folder that was left out. */
export interface Skipped {
  readonly name: string
  readonly why: "link" | "depth" | "number" | "name" | "unreadable"
}

/** One look. `device:inode` identifies a folder. */
export interface Scan {
  /** Which folder it was; undefined where there was none. */
  readonly identity: string | undefined
  /** Why there was none, as the kernel puts it. */
  readonly missing: string | undefined
  readonly files: ReadonlyMap<string, File>
  /** The folder and those below it, by path, and which they are. */
  readonly folders: ReadonlyMap<string, string>
  /** The first of what was left out, and how many there were. */
  readonly skipped: ReadonlyArray<Skipped>
  readonly skippedCount: number
}

export interface Bounds {
  /** How many levels of folders below the folder are read. */
  readonly depth: number
  /** How many names are read in all, hidden ones included. */
  readonly names: number
}

export const usual: Bounds = { depth: 8, names: 100_000 }

/** Looks once. Absent, unreadable, no folder: an answer, not an error. */
export const scan = (folder: string, bounds: Bounds = usual): Effect.Effect<Scan> =>
  Effect.promise((signal) => look(folder, bounds, signal))

/**
 * A name that is nobody's media: hidden (rsync writes to `.name.XXXXXX`), half written (browsers, scp clients, editors), or
 * of a desktop's own. Windows keeps what was deleted from a stick on it, with its extension.
 */
export const isPassedOver = (name: string): boolean =>
  /^[.]|^~\$|~$|\.(part|partial|filepart|crdownload|tmp|temp|swp)$/i.test(name) || desktops.has(name.toLowerCase())

const desktops = new Set(["$recycle.bin", "recycler", "system volume information", "lost+found", "__macosx"])

/** What a path and a name may be long, in bytes (PATH_MAX of limits.h, its NUL included). */
const longestPathBytes = 4095

const mostNamed = 10

/** File systems that keep inode numbers no longer than the kernel's cache, by their magic of statfs(2). */
const forgetful = new Set([
  0x4d44, // FAT
  0x2011bab0, // exFAT
  0x65735546, // FUSE
  0xff534d42, // CIFS
  0xfe534d42 // SMB2
])

/** How many lstat(2) wait at once: as many as Node has threads for, and some that are ready. */
const atOnce = 32

const look = async (folder: string, bounds: Bounds, signal: AbortSignal): Promise<Scan> => {
  const seen = new Seen(folder)
  // The one place where a link is followed.
  const top = await attempt(fs.promises.stat(folder))
  if (typeof top === "string") return seen.nothing(top)
  if (!top.isDirectory()) return seen.nothing("not a directory")
  let left = bounds.names
  const waiting = [{ below: "", stats: top, level: 0 }]
  for (let next = waiting.shift(); next !== undefined && !signal.aborted; next = waiting.shift()) {
    const { below, level, stats } = next
    const names = await attempt(namesIn(seen.pathOf(below), left))
    if (typeof names === "string") {
      if (below === "") return seen.nothing(names)
      seen.skip(below, "unreadable")
      continue
    }
    await seen.folder(below, stats)
    const folders = await seen.entries(below, stats.dev, names.filter((name) => !isPassedOver(name)).sort())
    for (const entry of folders) {
      if (level === bounds.depth) seen.skip(entry.below, "depth")
      else waiting.push({ ...entry, level: level + 1 })
    }
    left -= names.length
    if (left < 0) {
      seen.skip(below, "number")
      break
    }
  }
  return seen.all()
}

/** What a look has seen so far. */
class Seen {
  private readonly files = new Map<string, File>()
  private readonly folders = new Map<string, string>()
  private readonly skipped: Array<Skipped> = []
  private skippedCount = 0
  private readonly keepsInodes = new Map<number, boolean>()
  private readonly top: string

  constructor(top: string) {
    this.top = top
  }

  pathOf(below: string): string {
    return below === "" ? this.top : `${this.top}/${below}`
  }

  skip(name: string, why: Skipped["why"]): void {
    this.skippedCount++
    if (this.skipped.length < mostNamed) this.skipped.push({ name, why })
  }

  async folder(below: string, stats: fs.Stats): Promise<void> {
    const path = this.pathOf(below)
    this.folders.set(path, `${stats.dev}:${stats.ino}`)
    if (this.keepsInodes.has(stats.dev)) return
    const system = await attempt(fs.promises.statfs(path))
    this.keepsInodes.set(stats.dev, typeof system !== "string" && !forgetful.has(system.type))
  }

  /** Takes note of what the names in a folder are, and returns those that are folders. */
  async entries(below: string, device: number, names: ReadonlyArray<string>) {
    const folders: Array<{ readonly below: string; readonly stats: fs.Stats }> = []
    for (let at = 0; at < names.length; at += atOnce) {
      const few = names.slice(at, at + atOnce).map((name) => (below === "" ? name : `${below}/${name}`))
      const stats = await Promise.all(few.map((name) => attempt(fs.promises.lstat(this.pathOf(name)))))
      for (const [index, name] of few.entries()) {
        const entry = stats[index]
        if (entry === undefined || typeof entry === "string") this.unknown(name)
        else if (entry.isDirectory()) folders.push({ below: name, stats: entry })
        else this.entry(name, device, entry)
      }
    }
    return folders
  }

  private entry(name: string, device: number, stats: fs.Stats): void {
    if (stats.isSymbolicLink()) return this.skip(name, "link")
    if (Buffer.byteLength(this.pathOf(name)) > longestPathBytes) return this.skip(name, "name")
    if (!stats.isFile()) return
    this.files.set(name, {
      name,
      device: stats.dev,
      inode: this.keepsInodes.get(device) === true ? stats.ino : 0,
      sizeBytes: stats.size,
      modifiedMs: stats.mtimeMs,
      changedMs: Math.max(stats.mtimeMs, stats.ctimeMs)
    })
  }

  /** Node reads names as UTF-8: one that is not has lost its bytes. A path may be too long. Any other has just gone. */
  private unknown(name: string): void {
    if (name.includes("\uFFFD") || Buffer.byteLength(this.pathOf(name)) > longestPathBytes) this.skip(name, "name")
  }

  nothing(missing: string): Scan {
    return { ...this.all(), identity: undefined, missing }
  }

  all(): Scan {
    const { files, folders, skipped, skippedCount, top } = this
    return { identity: folders.get(top), missing: undefined, files, folders, skipped, skippedCount }
  }
}

/** The names in a folder, one more than `most` at the most: a folder may have more than fit into memory. */
const namesIn = async (path: string, most: number): Promise<ReadonlyArray<string>> => {
  const names: Array<string> = []
  // Closed by the loop, however it ends.
  for await (const { name } of await fs.promises.opendir(path, { bufferSize: 1024 })) {
    names.push(name)
    if (names.length > most) break
  }
  return names
}

/** What a call gives, or what the kernel said: `no such file or directory`. */
const attempt = <A>(call: Promise<A>): Promise<A | string> =>
  call.catch((cause: unknown) => {
    const said = cause instanceof Error ? cause.message : String(cause)
    return /^E[A-Z0-9]+: ([^,]+)/.exec(said)?.[1] ?? said
  })
