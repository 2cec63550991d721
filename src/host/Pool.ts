/**
 * A btrfs file system in one file, mounted on a loop device: for a host whose own file system cannot clone cheaply.
 *
 * What is set up is noted beside the folder (`FOLDER.pool.json`) before anything is made, so that removing works however
 * far making came. The file appears by one rename, formatted.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Files from "./Files.ts"
import * as Mounts from "./Mounts.ts"
import * as Tool from "./Tool.ts"
import * as Units from "./Units.ts"

/** The pool cannot be made, grown or removed as asked. Nothing was changed. */
export class PoolRefused extends Schema.TaggedError<PoolRefused>()("PoolRefused", {
  reason: Schema.String,
  remedy: Schema.String
}) {
  override get message(): string {
    return `${this.reason}.`
  }
  get hint(): string {
    return this.remedy
  }
}

export const Pool = Schema.Struct({ folder: Schema.String, file: Schema.String, sizeBytes: Schema.Int })
export type Pool = typeof Pool.Type

export type PoolError = PoolRefused | Tool.ToolError | PlatformError.PlatformError

/** The pool that is set up for a folder. */
export const find = (folder: string): Effect.Effect<Option.Option<Pool>, PoolRefused | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const text = yield* Files.readText(noteOf(folder))
    if (Option.isNone(text)) return Option.none()
    return Option.some(
      yield* Effect.mapError(
        decode(text.value),
        () => new PoolRefused({ reason: `${noteOf(folder)} does not describe a pool`, remedy: "repair or remove it" })
      )
    )
  })

/**
 * Makes the pool and mounts it, with a mount unit where systemd is; the same again is a success, and a larger size grows
 * it. Smaller is refused: btrfs would have to move what is there.
 */
export const setUp = (pool: Pool, systemd: boolean): Effect.Effect<"made" | "grown" | "unchanged", PoolError> =>
  Effect.gen(function* () {
    const earlier = yield* find(pool.folder)
    if (Option.isSome(earlier)) {
      if (earlier.value.file !== pool.file) {
        return yield* new PoolRefused({
          reason: `The pool of ${pool.folder} is ${earlier.value.file} already`,
          remedy: "leave --path out, or remove it first with redd setup --remove"
        })
      }
      if (pool.sizeBytes < earlier.value.sizeBytes) {
        return yield* new PoolRefused({
          reason: "A pool can grow and not shrink",
          remedy: "remove it with redd setup --remove and make a smaller one"
        })
      }
    } else {
      if (yield* Files.exists(pool.file)) {
        return yield* new PoolRefused({
          reason: `${pool.file} exists already and is no pool of Redd's`,
          remedy: "choose another file with --path"
        })
      }
      if ((yield* Files.list(pool.folder)).length > 0) {
        return yield* new PoolRefused({
          reason: `${pool.folder} is not empty: what is there would be hidden by the pool`,
          remedy: "move it away, or choose another state folder with --root"
        })
      }
    }
    yield* Files.replace(noteOf(pool.folder), encode(pool))
    const made = yield* format(pool)
    // From the file, and not from the note, which a growth that was killed has written already.
    const grown = Option.exists(yield* Files.find(pool.file), ({ sizeBytes }) => sizeBytes < pool.sizeBytes)
    if (grown) yield* Tool.run("truncate", ["--size", String(pool.sizeBytes), pool.file])
    yield* Files.makeFolder(pool.folder, 0o700)
    if (!(yield* Mounts.isMounted(pool.folder))) yield* mount(pool, systemd)
    if (!made) yield* fill(pool)
    return made ? "made" : grown ? "grown" : "unchanged"
  })

/** Unmounts the pool and deletes its file, and all that is in it. No pool is a success. */
export const remove = (folder: string, systemd: boolean): Effect.Effect<"removed" | "absent", PoolError> =>
  Effect.gen(function* () {
    const pool = yield* find(folder)
    if (Option.isNone(pool)) return "absent"
    if (systemd) yield* Units.uninstall([yield* unitOf(folder)])
    yield* Mounts.unmount(folder)
    yield* Files.remove(`${pool.value.file}.new`)
    yield* Files.remove(pool.value.file)
    yield* Files.removeFolder(folder)
    yield* Files.remove(noteOf(folder))
    return "removed"
  })

const noteOf = (folder: string) => `${folder}.pool.json`
const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Pool))
const encode = (pool: Pool) => `${JSON.stringify(pool)}\n`

const format = (pool: Pool): Effect.Effect<boolean, Tool.ToolError | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if (yield* Files.exists(pool.file)) return false
    const growing = `${pool.file}.new`
    yield* Files.remove(growing)
    yield* Files.create(growing, "", { mode: 0o600 })
    yield* Tool.run("truncate", ["--size", String(pool.sizeBytes), growing])
    yield* Tool.run("mkfs.btrfs", ["--quiet", "--label", "redd", growing])
    yield* Files.rename(growing, pool.file)
    return true
  })

const unitOf = (folder: string) =>
  Effect.map(Tool.run("systemd-escape", ["--path", "--suffix=mount", folder]), (text) => text.trim())

const mount = (pool: Pool, systemd: boolean): Effect.Effect<void, Tool.ToolError | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if (!systemd) return yield* Mounts.mount(pool.folder, ["-o", "loop,noatime", pool.file])
    const content = [
      "[Unit]",
      "Description=Redd's pool of images and machines",
      "[Mount]",
      // In a unit, % begins a specifier and a space ends nothing here (systemd.unit(5)).
      `What=${pool.file.replaceAll("%", "%%")}`,
      `Where=${pool.folder.replaceAll("%", "%%")}`,
      "Type=btrfs",
      "Options=loop,noatime",
      "[Install]",
      "WantedBy=local-fs.target",
      ""
    ].join("\n")
    yield* Units.install([{ name: yield* unitOf(pool.folder), content }])
  })

/** Has the loop device see the file's new size, and the file system fill it. */
const fill = (pool: Pool): Effect.Effect<void, Tool.ToolError | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const device = (yield* Mounts.all).find(({ path }) => path === pool.folder)?.source
    if (device !== undefined) yield* Tool.run("losetup", ["--set-capacity", device])
    yield* Tool.run("btrfs", ["filesystem", "resize", "max", pool.folder])
  })
