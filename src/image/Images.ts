/**
 * Images by name: each a link to one immutable generation, or a plain folder that is its own only generation.
 *
 * A generation appears by one rename of the link, whole or not at all, and never changes afterwards. What is not yet
 * committed lies below `images/.staging`, under a lock that dies with who stages it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Digest from "../host/Digest.ts"
import * as Files from "../host/Files.ts"
import * as Lock from "../host/Lock.ts"
import * as Text from "../host/Text.ts"
import type * as Tool from "../host/Tool.ts"
import * as Tree from "../host/Tree.ts"
import { ImageName, lockOf } from "../record/MachineRecord.ts"
import { Records } from "../record/Records.ts"

/** No image has this name. */
export class ImageNotFound extends Schema.TaggedError<ImageNotFound>()("ImageNotFound", {
  image: Schema.String,
  existing: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `There is no image "${Text.brief(this.image)}".`
  }
  get hint(): string {
    return this.existing.length === 0
      ? `there are no images yet: redd image create ${isName(this.image) ? this.image : "NAME"} --suite trixie`
      : `images here: ${this.existing.join(", ")}`
  }
}

/** The image is there and no machine can be made from it. */
export class ImageUnusable extends Schema.TaggedError<ImageUnusable>()("ImageUnusable", {
  image: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `Image "${this.image}" cannot be used: ${this.reason}.`
  }
  get hint(): string {
    return "make it anew: redd image remove, then redd image create"
  }
}

/** The image is being made, or machines run on it. */
export class ImageInUse extends Schema.TaggedError<ImageInUse>()("ImageInUse", {
  image: Schema.String,
  users: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `Image "${this.image}" is in use by ${this.users.join(", ")}.`
  }
  get hint(): string {
    return "wait for them, or end them with redd cleanup"
  }
}

/** The name is taken already. */
export class ImageExists extends Schema.TaggedError<ImageExists>()("ImageExists", { image: Schema.String }) {
  override get message(): string {
    return `There is an image "${this.image}" already.`
  }
  get hint(): string {
    return `redd image remove ${this.image}, or another name`
  }
}

export interface Image {
  readonly name: ImageName
  /** The tree, absolute. */
  readonly generation: string
  readonly createdMs: number
}

export class Images extends Context.Service<
  Images,
  {
    /** Every image, by name. */
    readonly list: Effect.Effect<ReadonlyArray<Image>, PlatformError.PlatformError>
    /** The image of this name, with its current generation. */
    get(name: string): Effect.Effect<Image, ImageNotFound | PlatformError.PlatformError>
    /**
     * An empty tree to make a generation in, until the scope closes: what is not committed by then is deleted.
     * ImageInUse while another process stages the same image. What a killed one left behind is deleted first.
     */
    stage(name: ImageName): Effect.Effect<string, ImageInUse | Tree.TreeError, Scope.Scope>
    /**
     * Settles a staged tree and makes it the current generation of a new image. After a power cut at any moment the
     * image is whole or absent; once this returns, it is there.
     */
    commit(
      name: ImageName,
      staged: string
    ): Effect.Effect<Image, ImageExists | Tool.ToolError | PlatformError.PlatformError>
    /**
     * The image, until the scope closes nobody else's to make, remove or change. ImageInUse while a record names it, or
     * while another has it.
     */
    hold(
      name: string
    ): Effect.Effect<Image, ImageNotFound | ImageInUse | Tool.ToolError | PlatformError.PlatformError, Scope.Scope>
    /** Removes an image and its generations. ImageInUse while a record names one, or while it is made. A second time is ImageNotFound. */
    remove(name: string): Effect.Effect<void, ImageNotFound | ImageInUse | Tree.TreeError>
    /** Deletes what killed processes left in staging, and generations that nothing uses; returns what it was. */
    sweep(options: { readonly dryRun: boolean }): Effect.Effect<ReadonlyArray<string>, Tree.TreeError>
  }
>()("redd/image/Images") {}

/** The images below the state folder of `Records`. */
export const layer: Layer.Layer<Images, never, Records> = Layer.effect(
  Images,
  Effect.gen(function* () {
    const records = yield* Records
    const folder = `${records.root}/images`
    const stagingOf = (name: string) => `${folder}/.staging/${name}`
    const generationsOf = (name: string) => `${folder}/.generations/${name}`

    const find = Effect.fn("Images.find")(function* (name: string) {
      if (!isName(name)) return Option.none<Image>()
      const path = `${folder}/${name}`
      const entry = yield* Files.find(path)
      if (Option.isNone(entry)) return Option.none<Image>()
      const target = Option.getOrElse(yield* Files.readLink(path), () => name)
      const generation = target.startsWith("/") ? target : `${folder}/${target}`
      const tree = yield* Files.find(generation)
      return Option.map(
        Option.filter(tree, (found) => found.kind === "directory"),
        () => ({ name, generation, createdMs: entry.value.modifiedMs })
      )
    })

    const list = Effect.gen(function* () {
      const found = yield* Effect.forEach(yield* Files.list(folder), find)
      return found.flatMap(Option.toArray)
    })

    const get = Effect.fn("Images.get")(function* (name: string) {
      const found = yield* find(name)
      if (Option.isSome(found)) return found.value
      return yield* new ImageNotFound({ image: name, existing: (yield* list).map((image) => image.name) })
    })

    /** Held while staging, so that what lies there without a holder is known to be left behind. */
    const holdStaging = (name: string, patience: Duration.Duration) =>
      Effect.andThen(
        Files.makeFolder(`${folder}/.staging`, 0o700),
        Lock.hold(lockOf(records.root, `image-${name}`), patience).pipe(
          Effect.catchTag("LockHeld", () =>
            Effect.fail(new ImageInUse({ image: name, users: ["another redd that is making or changing it"] }))
          )
        )
      )

    /** Deletes what no link and no record leads to. Under the lock: a commit under way has its generation before its link. */
    const sweepHeld = (name: string, dryRun = false) =>
      Effect.gen(function* () {
        const current = yield* find(name)
        const used = (yield* records.list).flatMap((listed) =>
          listed._tag === "Record" ? [listed.record.generation] : []
        )
        const kept = new Set([...used, ...Option.toArray(current).map((image) => image.generation)])
        const generations = (yield* Files.list(generationsOf(name))).map((each) => `${generationsOf(name)}/${each}`)
        const swept = generations.filter((path) => !kept.has(path))
        if (yield* Files.exists(stagingOf(name))) swept.push(stagingOf(name))
        if (dryRun) return swept
        yield* Effect.forEach(swept, Tree.remove, { discard: true })
        if (generations.every((path) => swept.includes(path))) yield* Files.removeFolder(generationsOf(name))
        return swept
      })

    const hold = Effect.fn("Images.hold")(function* (name: string) {
      const image = yield* get(name)
      yield* holdStaging(name, moment)
      const users = (yield* records.list).flatMap((listed) =>
        listed._tag === "Record" && listed.record.image === image.name ? [`machine "${listed.record.id}"`] : []
      )
      return users.length === 0 ? image : yield* new ImageInUse({ image: name, users })
    })

    return Images.of({
      list,
      get,
      hold,
      stage: (name) =>
        Effect.gen(function* () {
          yield* holdStaging(name, moment)
          const staged = stagingOf(name)
          yield* Tree.remove(staged)
          yield* Effect.acquireRelease(Tree.make(staged, folder), () => Effect.ignore(Tree.remove(staged)))
          return staged
        }),
      commit: (name, staged) =>
        Effect.gen(function* () {
          yield* settle(staged)
          const createdMs = yield* Clock.currentTimeMillis
          const stamp = new Date(createdMs).toISOString().replaceAll(/[^0-9]/g, "")
          yield* Files.makeFolder(generationsOf(name), 0o700)
          // Its content before its name: a rename may reach the disk long before what was written (ext4's delayed allocation).
          yield* Tree.persist(staged)
          yield* Files.rename(staged, `${generationsOf(name)}/${stamp}`)
          yield* Files.link(`.generations/${name}/${stamp}`, `${folder}/${name}`).pipe(
            Effect.catchIf(
              (error) => error.reason._tag === "AlreadyExists",
              () => Effect.fail(new ImageExists({ image: name }))
            )
          )
          yield* Files.persistName(`${folder}/${name}`)
          return { name, generation: `${generationsOf(name)}/${stamp}`, createdMs }
        }),
      remove: (name) =>
        Effect.scoped(
          Effect.gen(function* () {
            const image = yield* hold(name)
            // The name first, on the disk too: a tree that is half deleted must not be found under it.
            const path = `${folder}/${name}`
            if (image.generation === path) {
              yield* Files.makeFolder(generationsOf(name), 0o700)
              yield* Files.rename(path, `${generationsOf(name)}/removed-${Digest.freshMachineId()}`)
            } else yield* Files.remove(path)
            yield* Files.persistName(path)
            yield* sweepHeld(name)
          })
        ),
      sweep: Effect.fn("Images.sweep")(function* ({ dryRun }: { readonly dryRun: boolean }) {
        const staged = yield* Files.list(`${folder}/.staging`)
        const names = new Set([...staged, ...(yield* Files.list(`${folder}/.generations`))])
        const swept = yield* Effect.forEach(names, (name) =>
          Effect.scoped(Effect.andThen(holdStaging(name, Duration.zero), sweepHeld(name, dryRun))).pipe(
            Effect.catchTag("ImageInUse", () => Effect.succeed([]))
          )
        )
        return swept.flat()
      })
    })
  })
)

const isName = Schema.is(ImageName)

/** As long as gc may hold a lock only to look. */
const moment = Duration.seconds(2)

/**
 * Spares each boot what systemd does where /usr is newer than `/etc/.updated` and `/var/.updated` (ldconfig, sysusers,
 * the journal's catalog; systemd-update-done.service(8)), and leaves machine-id(5) an empty file: a missing one or
 * `uninitialized` would make each boot a first boot.
 */
const settle = (tree: string): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    for (const [folder, name] of [
      ["etc", ".updated"],
      ["var", ".updated"],
      ["etc", "machine-id"]
    ] as const) {
      const resolved = yield* Tree.resolve(tree, folder)
      if (Option.isNone(resolved)) continue
      yield* Files.remove(`${resolved.value}/${name}`)
      yield* Files.create(`${resolved.value}/${name}`, "", { mode: name === "machine-id" ? 0o444 : 0o644 })
    }
  })
