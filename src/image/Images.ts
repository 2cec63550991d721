/**
 * Images by name: each a link to one of its generations, or a plain folder that is its own only generation.
 *
 * A generation never changes. It becomes the current one by one rename of the link, whole or not at all; older ones stay as
 * far as the image keeps them, and as long as a machine runs on them. What is not yet committed lies below
 * `images/.staging`, under a lock that dies with who stages it.
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
import * as Tree from "../host/Tree.ts"
import { ImageName, lockOf } from "../record/MachineRecord.ts"
import { Records } from "../record/Records.ts"
import { byWorth, decodeNotes, isStamp, momentOf, nameOf, type Notes, stampOf } from "./Generations.ts"

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

/** The image has no such generation. */
export class GenerationNotFound extends Schema.TaggedError<GenerationNotFound>()("GenerationNotFound", {
  image: Schema.String,
  wanted: Schema.String,
  existing: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return this.wanted === ""
      ? `Image "${this.image}" has no generation before its current one.`
      : `Image "${this.image}" has no generation "${Text.brief(this.wanted)}".`
  }
  get hint(): string {
    return this.existing.length === 0
      ? "older generations are kept from the next maintenance on"
      : `it has ${this.existing.join(", ")}: redd image history ${this.image}`
  }
}

export interface Image {
  readonly name: ImageName
  /** The tree, absolute. */
  readonly generation: string
  readonly createdMs: number
  /** When the tree was made from nothing that this one goes back to. */
  readonly bornMs: number
  /** What its files occupy, shared or not; undefined of a plain folder, which anybody may change. */
  readonly sizeBytes?: number | undefined
}

/** One version of an image. */
export interface Generation {
  /** When it was committed, as digits; what sorts it among the others. */
  readonly stamp: string
  /** The tree, absolute. */
  readonly path: string
  readonly createdMs: number
  readonly current: boolean
  /** The machines that run on it. */
  readonly users: ReadonlyArray<string>
}

export { nameOf } from "./Generations.ts"

/** How many generations an image keeps where nobody says otherwise, the current one among them. */
export const defaultKeep = 3

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
     * Settles a staged tree and makes it the current generation: of a `new` image, or the `next` one of an image that may
     * be there. Of older ones, `keep` altogether stay, and those that machines run on. After a power cut or a kill at any
     * moment the image is as it was or as it shall be; once this returns, it is that.
     */
    commit(
      name: ImageName,
      staged: string,
      options: { readonly as: "new" | "next"; readonly keep?: number | undefined; readonly bornMs?: number | undefined }
    ): Effect.Effect<Image, ImageExists | Tree.TreeError>
    /** Its generations, the newest first. */
    history(name: string): Effect.Effect<ReadonlyArray<Generation>, ImageNotFound | PlatformError.PlatformError>
    /** Makes another generation the current one: the one with this stamp, else the one that was it before. */
    rollback(
      name: string,
      stamp: string | undefined
    ): Effect.Effect<Generation, ImageNotFound | ImageInUse | GenerationNotFound | Tree.TreeError>
    /** The right to make or change an image, until the scope closes; machines go on being made from it. ImageInUse while another has it. */
    change(name: ImageName): Effect.Effect<void, ImageInUse | Tree.TreeError, Scope.Scope>
    /**
     * Takes a tree from elsewhere in the state folder to be committed, under the lock of `change` or `stage`: until the
     * scope closes, what is not committed by then is deleted.
     */
    adopt(name: ImageName, tree: string): Effect.Effect<string, Tree.TreeError, Scope.Scope>
    /**
     * The image, until the scope closes nobody else's to make, remove or change. ImageInUse while a record names it, or
     * while another has it.
     */
    hold(name: string): Effect.Effect<Image, ImageNotFound | ImageInUse | Tree.TreeError, Scope.Scope>
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
    const plainOf = (name: string) => `${generationsOf(name)}/${plainName}`
    const nextOf = (name: string) => `${generationsOf(name)}/${nextName}`
    const growingOf = (name: string) => `${generationsOf(name)}/${growingName}`

    const find = Effect.fn("Images.find")(function* (name: string) {
      if (!isName(name)) return Option.none<Image>()
      const entry = yield* Files.find(`${folder}/${name}`)
      // None: who made a plain folder a generation was killed between its two renames.
      const target = yield* Files.readLink(Option.isSome(entry) ? `${folder}/${name}` : nextOf(name))
      if (Option.isNone(entry) && Option.isNone(target)) return Option.none<Image>()
      const path = Option.getOrElse(target, () => name)
      const generation = path.startsWith("/") ? path : `${folder}/${path}`
      const tree = yield* Files.find(generation)
      if (!Option.exists(tree, ({ kind }) => kind === "directory")) return Option.none<Image>()
      const createdMs = momentOf(generation) ?? Option.getOrThrow(tree).modifiedMs
      const { bornMs = createdMs, sizeBytes } = yield* notesOf(generation)
      return Option.some({ name, generation, createdMs, bornMs, sizeBytes })
    })

    const list = Effect.gen(function* () {
      const names = new Set([...(yield* Files.list(folder)), ...(yield* Files.list(`${folder}/.generations`))])
      const found = yield* Effect.forEach([...names].sort(), find)
      return found.flatMap(Option.toArray)
    })

    const get = Effect.fn("Images.get")(function* (name: string) {
      const found = yield* find(name)
      if (Option.isSome(found)) return found.value
      return yield* new ImageNotFound({ image: name, existing: (yield* list).map((image) => image.name) })
    })

    /** The tree of a commit that was killed, or is under way: it never was the image. */
    const growing = (name: string) =>
      Effect.gen(function* () {
        const stamp = yield* Files.readText(growingOf(name))
        const current = yield* find(name)
        const path = `${generationsOf(name)}/${Option.getOrElse(stamp, () => "")}`
        const isIt = Option.exists(current, ({ generation }) => generation === path)
        return Option.isNone(stamp) || isIt ? Option.none<string>() : Option.some(path)
      })

    /** Brings a killed switch to its end, or back. Under the lock. */
    const finish = (name: string) =>
      Effect.gen(function* () {
        if (Option.isSome(yield* Files.readLink(nextOf(name)))) {
          if (yield* Files.exists(`${folder}/${name}`)) yield* Files.remove(nextOf(name))
          else yield* Files.rename(nextOf(name), `${folder}/${name}`)
        }
        const tree = yield* growing(name)
        if (Option.isSome(tree)) {
          yield* Tree.remove(tree.value)
          yield* Files.remove(`${tree.value}${notesSuffix}`)
        }
        yield* Files.remove(growingOf(name))
      })

    /** The right to make or change an image, which begins with what is left of a killed change. */
    const change = (name: string, patience = moment) => Effect.andThen(holdStaging(name, patience), finish(name))

    /** Held while staging, so that what lies there without a holder is known to be left behind. */
    const holdStaging = (name: string, patience: Duration.Duration) =>
      Effect.andThen(
        Files.makeFolder(`${folder}/.staging`, 0o700),
        Lock.hold(lockOf(records.root, `image-${name}`), patience).pipe(
          Effect.catchTag("LockHeld", ({ pid }) => {
            const holder = pid === null ? "another redd" : `process ${pid}`
            return Effect.fail(new ImageInUse({ image: name, users: [`${holder}, which makes or changes it`] }))
          })
        )
      )

    /** Where a record's tree is now: one that was a plain folder has become a generation, and its machines know it by its old name. */
    const treeOfRecord = (name: string) =>
      Effect.map(
        Files.readText(plainOf(name)),
        (plain) => (generation: string) =>
          generation === `${folder}/${name}` && Option.isSome(plain)
            ? `${generationsOf(name)}/${plain.value}`
            : generation
      )

    const history = Effect.fn("Images.history")(function* (name: string) {
      const image = yield* get(name)
      const all = yield* records.list
      const treeOf = yield* treeOfRecord(name)
      const usersOf = (path: string) =>
        all.flatMap((listed) =>
          listed._tag === "Record" && treeOf(listed.record.generation) === path ? [listed.record.id] : []
        )
      const uncommitted = yield* growing(name)
      const older = (yield* Files.list(generationsOf(name)))
        .filter((stamp) => isStamp(stamp))
        .map((stamp) => `${generationsOf(name)}/${stamp}`)
        .filter((path) => path !== image.generation && !Option.contains(uncommitted, path))
      return [image.generation, ...older]
        .map((path) => ({
          stamp: nameOf(path),
          path,
          createdMs: momentOf(path) ?? image.createdMs,
          current: path === image.generation,
          users: usersOf(path)
        }))
        .sort((one, other) => other.createdMs - one.createdMs)
    })

    /** What of an image's generations goes: beyond those it keeps, and none that a machine is on, or may be. */
    const surplus = (name: string) =>
      Effect.gen(function* () {
        const current = yield* find(name)
        const all = yield* records.list
        // Whatever a record that cannot be read names, it is still under its machine.
        if (all.some((listed) => listed._tag === "Unreadable")) return []
        const treeOf = yield* treeOfRecord(name)
        const used = new Set(
          all.flatMap((listed) => (listed._tag === "Record" ? [treeOf(listed.record.generation)] : []))
        )
        const entries = yield* Files.list(generationsOf(name))
        const now = Option.match(current, { onNone: () => "", onSome: ({ generation }) => nameOf(generation) })
        const stamps = entries.filter((entry) => isStamp(entry) && entry !== now)
        const before = new Map<string, string | undefined>()
        for (const stamp of [now, ...stamps])
          before.set(stamp, (yield* notesOf(`${generationsOf(name)}/${stamp}`)).before)
        const keep = Option.isNone(current) ? 0 : yield* keepOf(name)
        const others = byWorth(now, stamps, (stamp) => before.get(stamp))
        const kept = new Set(others.slice(0, Math.max(0, keep - 1)))
        return entries
          .filter((entry) => {
            if (beside.has(entry)) return false
            const tree = entry.endsWith(notesSuffix) ? entry.slice(0, -notesSuffix.length) : entry
            const path = `${generationsOf(name)}/${tree}`
            return !kept.has(tree) && !used.has(path) && path !== Option.getOrUndefined(current)?.generation
          })
          .map((entry) => `${generationsOf(name)}/${entry}`)
      })

    const keepOf = (name: string) =>
      Effect.gen(function* () {
        const text = yield* Files.readText(`${generationsOf(name)}/${keepName}`)
        const keep = Math.max(1, Number(Option.getOrElse(text, () => "")) || defaultKeep)
        const link = yield* Files.find(`${folder}/${name}`)
        const now = yield* Clock.currentTimeMillis
        // Who prepares a machine has looked up the generation, and has not said so yet.
        const isFresh = Option.exists(link, ({ modifiedMs }) => modifiedMs > now - graceMs)
        return isFresh ? Math.max(2, keep) : keep
      })

    /** Deletes what is surplus, and what is staged. Under the lock: a commit under way has its generation before its link. */
    const sweepHeld = (name: string, dryRun = false) =>
      Effect.gen(function* () {
        const swept = [...(yield* surplus(name))]
        if (yield* Files.exists(stagingOf(name))) swept.push(stagingOf(name))
        if (dryRun) return swept
        yield* Effect.forEach(swept, Tree.remove, { discard: true })
        if (Option.isNone(yield* find(name))) {
          const left = yield* Files.list(generationsOf(name))
          if (left.every((entry) => beside.has(entry))) yield* Tree.remove(generationsOf(name))
        }
        return swept
      })

    /**
     * Makes a generation the current one, by one rename of the link `next`. A plain folder stands where the link belongs,
     * once: it becomes an older generation, and for that instant `next` says what the image is.
     */
    const switchTo = (name: ImageName, stamp: string) =>
      Effect.gen(function* () {
        const path = `${folder}/${name}`
        yield* Files.remove(nextOf(name))
        yield* Files.link(`.generations/${name}/${stamp}`, nextOf(name))
        const there = yield* Files.find(path)
        if (Option.exists(there, ({ kind }) => kind === "directory")) {
          // Whoever runs on it has the name that it had: that is remembered, and the generation not pruned.
          const earlier = stampOf(Option.getOrThrow(there).modifiedMs)
          yield* Files.replace(plainOf(name), earlier)
          yield* Files.rename(path, `${generationsOf(name)}/${earlier}`)
        }
        yield* Files.rename(nextOf(name), path)
        yield* Files.persistName(path)
      })

    /** The right to change an image, and what it is as long as nobody else has that. */
    const changing = (name: string) =>
      // First without: what is no image has no lock either.
      Effect.andThen(get(name), Effect.andThen(change(name), get(name)))

    const hold = Effect.fn("Images.hold")(function* (name: string) {
      const image = yield* changing(name)
      const users = (yield* records.list).flatMap((listed) =>
        listed._tag === "Record" && listed.record.image === image.name ? [`machine "${listed.record.id}"`] : []
      )
      return users.length === 0 ? image : yield* new ImageInUse({ image: name, users })
    })

    return Images.of({
      list,
      get,
      hold,
      change,
      adopt: (name, tree) =>
        Effect.gen(function* () {
          const staged = stagingOf(name)
          yield* Tree.remove(staged)
          yield* Effect.acquireRelease(Files.rename(tree, staged), () => Effect.ignore(Tree.remove(staged)))
          return staged
        }),
      stage: (name) =>
        Effect.gen(function* () {
          yield* change(name)
          const staged = stagingOf(name)
          yield* Tree.remove(staged)
          yield* Effect.acquireRelease(Tree.make(staged, folder), () => Effect.ignore(Tree.remove(staged)))
          return staged
        }),
      commit: (name, staged, options) =>
        Effect.gen(function* () {
          const current = yield* find(name)
          if (options.as === "new" && Option.isSome(current)) return yield* new ImageExists({ image: name })
          yield* settle(staged)
          const createdMs = yield* Clock.currentTimeMillis
          const stamp = stampOf(createdMs)
          yield* Files.makeFolder(generationsOf(name), 0o700)
          if (options.keep !== undefined)
            yield* Files.replace(`${generationsOf(name)}/${keepName}`, `${options.keep}\n`)
          // Its content before its name: a rename may reach the disk long before what was written (ext4's delayed allocation).
          yield* Tree.persist(staged)
          const notes: Notes = {
            bornMs: options.bornMs ?? createdMs,
            sizeBytes: yield* Tree.sizeBytes(staged),
            // A plain folder is called so from here on.
            ...Option.match(current, { onNone: () => ({}), onSome: (image) => ({ before: stampOf(image.createdMs) }) })
          }
          yield* Files.replace(`${generationsOf(name)}/${stamp}${notesSuffix}`, JSON.stringify(notes))
          yield* Files.replace(growingOf(name), stamp)
          yield* Files.rename(staged, `${generationsOf(name)}/${stamp}`)
          yield* switchTo(name, stamp)
          yield* Files.remove(growingOf(name))
          yield* Effect.forEach(yield* surplus(name), Tree.remove, { discard: true })
          const { bornMs, sizeBytes } = notes
          return { name, generation: `${generationsOf(name)}/${stamp}`, createdMs, bornMs, sizeBytes }
        }),
      history,
      rollback: (name, stamp) =>
        Effect.scoped(
          Effect.gen(function* () {
            const image = yield* changing(name)
            const all = yield* history(name)
            const others = all.filter(({ current, stamp: each }) => !current && isStamp(each))
            const { before } = yield* notesOf(image.generation)
            const isWanted = (each: string) => each === (stamp ?? before)
            const wanted =
              others.find((each) => isWanted(each.stamp)) ??
              (stamp === undefined ? others.find(({ createdMs }) => createdMs < image.createdMs) : undefined)
            if (wanted === undefined) {
              const existing = others.map((each) => each.stamp)
              return yield* new GenerationNotFound({ image: name, wanted: stamp ?? "", existing })
            }
            yield* switchTo(image.name, wanted.stamp)
            return { ...wanted, current: true }
          })
        ),
      remove: (name) =>
        Effect.scoped(
          Effect.gen(function* () {
            const image = yield* hold(name)
            // The name first, on the disk too: a tree that is half deleted must not be found under it.
            const path = `${folder}/${name}`
            yield* Files.remove(nextOf(name))
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
          Effect.scoped(
            Effect.andThen(
              dryRun ? holdStaging(name, Duration.zero) : change(name, Duration.zero),
              sweepHeld(name, dryRun)
            )
          ).pipe(Effect.catchTag("ImageInUse", () => Effect.succeed([])))
        )
        return swept.flat()
      })
    })
  })
)

const isName = Schema.is(ImageName)

/** What lies beside an image's generations. */
const nextName = "next"
const growingName = "growing"
const keepName = "keep"
const plainName = "plain"
const notesSuffix = ".json"
const beside: ReadonlySet<string> = new Set([nextName, growingName, keepName, plainName])

const notesOf = (generation: string): Effect.Effect<Partial<Notes>, PlatformError.PlatformError> =>
  Effect.map(Files.readText(`${generation}${notesSuffix}`), (text) =>
    Option.getOrElse(Option.flatMap(text, decodeNotes), () => ({}))
  )

/** Longer than it takes a prepare from looking up an image to storing its record. */
const graceMs = 60_000

/** As long as gc may hold a lock only to look. */
const moment = Duration.seconds(2)

/**
 * Spares each boot what systemd does where /usr is newer than `/etc/.updated` and `/var/.updated` (ldconfig, sysusers,
 * the journal's catalog; systemd-update-done.service(8)), and leaves machine-id(5) an empty file: a missing one or
 * `uninitialized` would make each boot a first boot. Its users can enter its `/`.
 */
const settle = (tree: string): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    // A folder that was made for a moment (mkdtemp(3)) is its owner's alone, and as a root it closes all to all others.
    const mode = Option.match(yield* Files.find(tree), { onNone: () => 0, onSome: (found) => found.mode })
    if ((mode & 0o055) !== 0o055) yield* Files.setMode(tree, mode | 0o755)
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
