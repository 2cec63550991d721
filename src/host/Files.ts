/**
 * The few file operations that Redd needs of its host, each one system call or an honest sequence of them.
 *
 * Effect's FileSystem is not used: it has no rmdir(2), no open flags, no durable replace (docs/decisions). Nothing here
 * follows a link that it was not asked to follow.
 */
import * as fs from "node:fs"
import { constants } from "node:fs"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PlatformError from "effect/PlatformError"
import type * as Scope from "effect/Scope"

/** What lies at a path, links not followed. Sizes in bytes, ids as the host sees them. */
export interface Entry {
  readonly kind: "file" | "directory" | "link" | "other"
  readonly mode: number
  readonly uid: number
  readonly inode: number
  readonly sizeBytes: number
  readonly modifiedMs: number
}

/**
 * `call`, its errno as a PlatformError that names the path.
 *
 * Not by promises: a call to the kernel about one small file takes microseconds, and the way through libuv's threads and
 * back a hundred times that, thirty times in each run of a command.
 */
export const attempt = <A>(
  method: string,
  path: string,
  call: () => A
): Effect.Effect<A, PlatformError.PlatformError> =>
  Effect.try({ try: call, catch: (cause) => failure(method, path, cause) })

/** The same for what waits: fsync(2), a pipe. */
const attemptSlowly = <A>(
  method: string,
  path: string,
  call: () => Promise<A>
): Effect.Effect<A, PlatformError.PlatformError> =>
  Effect.tryPromise({ try: call, catch: (cause) => failure(method, path, cause) })

/** Absent is an answer: None where a part of the path does not exist. */
export const find = (path: string): Effect.Effect<Option.Option<Entry>, PlatformError.PlatformError> =>
  attempt("lstat", path, () => fs.lstatSync(path)).pipe(
    Effect.map((stats) =>
      Option.some<Entry>({
        kind: stats.isFile() ? "file" : stats.isDirectory() ? "directory" : stats.isSymbolicLink() ? "link" : "other",
        mode: stats.mode & 0o7777,
        uid: stats.uid,
        inode: stats.ino,
        sizeBytes: stats.size,
        modifiedMs: stats.mtimeMs
      })
    ),
    absentIs(Option.none())
  )

/** True where something lies at `path`, a dangling link included. */
export const exists = (path: string): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Effect.map(find(path), Option.isSome)

/** The text of a small file of the host's own (a record, /proc), None where there is none. */
export const readText = (path: string): Effect.Effect<Option.Option<string>, PlatformError.PlatformError> =>
  attempt("readFile", path, () => fs.readFileSync(path, "utf8")).pipe(Effect.map(Option.some), absentIs(Option.none()))

/** The first bytes of a file, as Latin-1. */
export const readStart = (path: string, mostBytes: number): Effect.Effect<string, PlatformError.PlatformError> =>
  attempt("read", path, () => {
    const fd = fs.openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const bytes = Buffer.alloc(mostBytes)
      return bytes.toString("latin1", 0, fs.readSync(fd, bytes))
    } finally {
      fs.closeSync(fd)
    }
  })

/** The bytes of a file, whole. It may be a pipe (`<(…)` of a shell), which is waited for. */
export const readBytes = (path: string): Effect.Effect<Uint8Array, PlatformError.PlatformError> =>
  attemptSlowly("readFile", path, () => fs.promises.readFile(path))

/** Names in a folder, sorted; none where there is no folder. */
export const list = (path: string): Effect.Effect<ReadonlyArray<string>, PlatformError.PlatformError> =>
  attempt("readdir", path, () => fs.readdirSync(path)).pipe(
    Effect.map((names) => names.sort()),
    absentIs<ReadonlyArray<string>>([])
  )

/** Names of the folders in a folder, links to folders not counted; none where there is no folder. */
export const listFolders = (path: string): Effect.Effect<ReadonlyArray<string>, PlatformError.PlatformError> =>
  attempt("readdir", path, () => fs.readdirSync(path, { withFileTypes: true })).pipe(
    Effect.map((entries) =>
      entries
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name)
        .sort()
    ),
    absentIs<ReadonlyArray<string>>([])
  )

/**
 * Makes a folder and its parents; one that is there already is a success and keeps its mode.
 *
 * Not by mkdir's own `recursive`: below a file system that refuses new folders with ENOENT (/proc) it never returns.
 */
export const makeFolder = (path: string, mode = 0o755): Effect.Effect<void, PlatformError.PlatformError> => {
  const once = claimFolder(path, mode).pipe(
    Effect.catchIf(
      (error) => error.reason._tag === "AlreadyExists",
      () => Effect.void
    )
  )
  const parent = path.replace(/\/+[^/]*\/*$/, "")
  return Effect.catchIf(
    once,
    (error) => isAbsent(error) && parent !== "",
    () => Effect.andThen(makeFolder(parent), once)
  )
}

/** Makes exactly this folder. AlreadyExists is an error: the caller claims the name. */
export const claimFolder = (path: string, mode: number): Effect.Effect<void, PlatformError.PlatformError> =>
  attempt("mkdir", path, () => fs.mkdirSync(path, { mode }))

/** Writes a file that was not there, never through a link. `owner` is a uid and a gid of the host. */
export const create = (
  path: string,
  content: string | Uint8Array,
  options: { readonly mode: number; readonly owner?: number | undefined }
): Effect.Effect<void, PlatformError.PlatformError> =>
  attempt("create", path, () => {
    const fd = fs.openSync(
      path,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      options.mode
    )
    try {
      fs.writeFileSync(fd, content)
      if (options.owner !== undefined) fs.fchownSync(fd, options.owner, options.owner)
    } finally {
      fs.closeSync(fd)
    }
  })

/** Writes into a file that the kernel provides (cgroupfs), without creating it. Some, as cgroup.kill, are never read. */
export const writeInto = (path: string, content: string): Effect.Effect<void, PlatformError.PlatformError> =>
  attempt("write", path, () => {
    const fd = fs.openSync(path, constants.O_WRONLY)
    try {
      fs.writeSync(fd, content)
    } finally {
      fs.closeSync(fd)
    }
  })

/** Replaces `path` whole. Once this returns, a power cut cannot lose it: fsync(2) of the file, rename(2), fsync of the folder. */
export const replace = (
  path: string,
  content: string,
  mode = 0o600
): Effect.Effect<void, PlatformError.PlatformError> =>
  byTemporary(path, content, mode, (temporary) =>
    Effect.andThen(
      attemptSlowly("fsync", path, () => syncFile(temporary)),
      rename(temporary, path)
    )
  )

/** Replaces `path` whole for who looks; what a power cut would leave of it is not said until `persist` returns. */
export const write = (path: string, content: string, mode = 0o600): Effect.Effect<void, PlatformError.PlatformError> =>
  byTemporary(path, content, mode, (temporary) => attempt("rename", path, () => fs.renameSync(temporary, path)))

/** A full disk, an interruption: nothing half-written stays. */
const byTemporary = (
  path: string,
  content: string,
  mode: number,
  settle: (temporary: string) => Effect.Effect<void, PlatformError.PlatformError>
): Effect.Effect<void, PlatformError.PlatformError> => {
  const temporary = temporaryOf(path)
  return attempt("write", path, () => fs.writeFileSync(temporary, content, { mode })).pipe(
    Effect.andThen(settle(temporary)),
    Effect.onError(() => Effect.ignore(remove(temporary)))
  )
}

const temporaryOf = (path: string) => `${path}.new`

/** Removes what a writer of `path` that was killed left beside it; absent is a success. */
export const removeTemporary = (path: string): Effect.Effect<void, PlatformError.PlatformError> =>
  remove(temporaryOf(path))

/** fsync(2) of a file, then of the folder that names it: no power cut can take it from here on. */
export const persist = (path: string): Effect.Effect<void, PlatformError.PlatformError> =>
  attemptSlowly("fsync", path, async () => {
    await syncFile(path)
    await syncFolder(path)
  })

/** Removes a file or link; absent is a success. */
export const remove = (path: string): Effect.Effect<void, PlatformError.PlatformError> =>
  attempt("unlink", path, () => fs.unlinkSync(path)).pipe(absentIs<void>(undefined))

/** Removes an empty folder; absent is a success. */
export const removeFolder = (path: string): Effect.Effect<void, PlatformError.PlatformError> =>
  attempt("rmdir", path, () => fs.rmdirSync(path)).pipe(absentIs<void>(undefined))

/** rename(2): atomic within a file system. Once this returns, a power cut cannot lose it. */
export const rename = (from: string, to: string): Effect.Effect<void, PlatformError.PlatformError> =>
  attemptSlowly("rename", from, async () => {
    await fs.promises.rename(from, to)
    await syncFolder(to)
  })

/** fsync(2) of the folder that `path` is in: that a name appeared there, or went, no power cut can undo from here on. */
export const persistName = (path: string): Effect.Effect<void, PlatformError.PlatformError> =>
  attemptSlowly("fsync", path, () => syncFolder(path))

/** Moves a file that several may want, atomically: false where another was quicker, and nothing is there any more. */
export const take = (from: string, to: string): Effect.Effect<boolean, PlatformError.PlatformError> =>
  attempt("rename", from, () => fs.renameSync(from, to)).pipe(Effect.as(true), absentIs(false))

/** symlink(2): fails with AlreadyExists where the name is taken, so that it can serve as a claim. */
export const link = (target: string, path: string): Effect.Effect<void, PlatformError.PlatformError> =>
  attempt("symlink", path, () => fs.symlinkSync(target, path))

/** Where a link points, None where there is no link (EINVAL: something else is there). */
export const readLink = (path: string): Effect.Effect<Option.Option<string>, PlatformError.PlatformError> =>
  attempt("readlink", path, () => fs.readlinkSync(path)).pipe(
    Effect.map(Option.some),
    Effect.catchIf(
      (error) => isAbsent(error) || error.reason._tag === "InvalidData",
      () => Effect.succeed(Option.none<string>())
    )
  )

/** The path with every link in it resolved. */
export const realPath = (path: string): Effect.Effect<string, PlatformError.PlatformError> =>
  attempt("realpath", path, () => fs.realpathSync.native(path))

/** A path as whoever has another working directory needs it. Links stay. */
export const absolute = (path: string, folder = "."): string => resolve(folder, path)

/** Gives what lies at `path`, itself and not what it links to, to a uid and its gid. */
export const give = (path: string, owner: number): Effect.Effect<void, PlatformError.PlatformError> =>
  attempt("lchown", path, () => fs.lchownSync(path, owner, owner))

/** Sets a mode, whatever the umask is. */
export const setMode = (path: string, mode: number): Effect.Effect<void, PlatformError.PlatformError> =>
  attempt("chmod", path, () => fs.chmodSync(path, mode))

/** The file system that `path` is on (statfs(2)): what it is, and what is free on it for who is not privileged. */
export interface FileSystem {
  readonly magic: number
  readonly sizeBytes: number
  readonly freeBytes: number
  /** 0 of 0 where the file system makes them as it needs them (btrfs). */
  readonly inodes: number
  readonly freeInodes: number
}

export const fileSystem = (path: string): Effect.Effect<FileSystem, PlatformError.PlatformError> =>
  Effect.map(
    attempt("statfs", path, () => fs.statfsSync(path)),
    (stats) => ({
      magic: stats.type,
      sizeBytes: stats.blocks * stats.bsize,
      freeBytes: stats.bavail * stats.bsize,
      inodes: stats.files,
      freeInodes: stats.ffree
    })
  )

/** True where the folder is on a file system that is mounted read-only, or that went read-only (EROFS of access(2)). */
export const isReadOnly = (path: string): Effect.Effect<boolean> =>
  Effect.promise(() =>
    fs.promises.access(path, constants.W_OK).then(
      () => false,
      (cause) => cause instanceof Error && "code" in cause && cause.code === "EROFS"
    )
  )

/** open(2) with these flags: a bare descriptor, for who hands it on. */
export const openDescriptor = (path: string, flags: number): Effect.Effect<number, PlatformError.PlatformError> =>
  attempt("open", path, () => fs.openSync(path, flags))

/** open(2)'s flags for a pipe to write to, and for the end of a file. */
export const writeOnly = constants.O_WRONLY
export const append = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT

/** The same, closed with the scope. */
export const openScoped = (
  path: string,
  flags: number
): Effect.Effect<number, PlatformError.PlatformError, Scope.Scope> =>
  Effect.acquireRelease(openDescriptor(path, flags), (fd) => Effect.sync(() => fs.closeSync(fd)))

/** True where something is there that we may write to (access(2)): a folder on a read-only file system is not. */
export const isWritable = (path: string): Effect.Effect<boolean> =>
  Effect.match(
    attempt("access", path, () => fs.accessSync(path, constants.W_OK)),
    { onFailure: () => false, onSuccess: () => true }
  )

/** True where something is there that we may execute, and that is no folder. */
export const isExecutable = (path: string): Effect.Effect<boolean> =>
  Effect.match(
    attempt("access", path, () => {
      fs.accessSync(path, constants.X_OK)
      return !fs.statSync(path).isDirectory()
    }),
    { onFailure: () => false, onSuccess: (executable) => executable }
  )

/** True where an error says that something is not there. ENODEV is what cgroupfs says of a cgroup that just went. */
export const isAbsent = (error: PlatformError.PlatformError): boolean => error.reason._tag === "NotFound"

/** What the kernel said, without the names of our functions: `no space left on device (/var/lib/redd/records)`. */
export const explain = (error: PlatformError.PlatformError): string => {
  const { description, pathOrDescriptor } = { pathOrDescriptor: undefined, ...error.reason }
  const said = /^E[A-Z0-9]+: ([^,]+)/.exec(description ?? "")?.[1] ?? description ?? error.message
  return pathOrDescriptor === undefined ? said : `${said} (${pathOrDescriptor})`
}

const absentIs =
  <B>(value: B) =>
  <A>(self: Effect.Effect<A, PlatformError.PlatformError>): Effect.Effect<A | B, PlatformError.PlatformError> =>
    Effect.catch(self, (error) => (isAbsent(error) ? Effect.succeed(value) : Effect.fail(error)))

const sync = async (path: string, flags: number): Promise<void> => {
  const handle = await fs.promises.open(path, constants.O_RDONLY | flags)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const syncFile = (path: string): Promise<void> => sync(path, constants.O_NOFOLLOW)

/** Of the folder that `path` is in. */
const syncFolder = (path: string): Promise<void> => sync(path.slice(0, path.lastIndexOf("/")) || "/", 0)

const tags: Readonly<Record<string, PlatformError.SystemErrorTag>> = {
  ENOENT: "NotFound",
  ENXIO: "NotFound",
  ENOTDIR: "NotFound",
  ENODEV: "NotFound",
  EINVAL: "InvalidData",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EROFS: "PermissionDenied",
  EEXIST: "AlreadyExists",
  EBUSY: "Busy",
  EAGAIN: "WouldBlock",
  EPIPE: "BadResource"
}

const failure = (method: string, path: string, cause: unknown): PlatformError.PlatformError => {
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "unknown"
  return PlatformError.systemError({
    _tag: tags[code] ?? "Unknown",
    module: "Files",
    method,
    pathOrDescriptor: path,
    description: cause instanceof Error ? cause.message : String(cause),
    cause
  })
}
