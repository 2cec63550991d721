/**
 * Images made and kept: each change happens to a tree that nobody uses yet, and is swapped in whole, or not at all.
 *
 * A playbook runs against a machine that is made from the tree like any other, so it has a record, and gc, like all else.
 * Running machines keep the generation that they were made from. A failure, or a kill at any moment, leaves the current
 * generation as it was.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Files from "../host/Files.ts"
import * as Host from "../host/Host.ts"
import * as Tree from "../host/Tree.ts"
import { type Image, ImageExists, type ImageInUse, type ImageNotFound, Images } from "../image/Images.ts"
import * as Machine from "../machine/Machine.ts"
import { type ImageName, MachineId, type MachineRecord, treeOf } from "../record/MachineRecord.ts"
import { Records } from "../record/Records.ts"
import * as Ansible from "./Ansible.ts"
import type { Bootstrap, BootstrapFailed, Options as BootstrapOptions } from "./Bootstrap.ts"
import type { Definition } from "./Definition.ts"
import { proxies } from "./Proxies.ts"

/** Its definition does not say how the image comes to be, and it is not there. */
export class BootstrapMissing extends Schema.TaggedError<BootstrapMissing>()("BootstrapMissing", {
  image: Schema.String,
  file: Schema.String
}) {
  override get message(): string {
    return `Image "${this.image}" is not there, and ${this.file} does not say how it comes to be.`
  }
  get hint(): string {
    return "write bootstrap: under vars: redd: of its first play"
  }
}

/** A machine that was to become a generation did not power off. */
export class StagingStuck extends Schema.TaggedError<StagingStuck>()("StagingStuck", { image: Schema.String }) {
  override get message(): string {
    return `The machine in which image "${this.image}" was maintained did not power off within ${Duration.toSeconds(patience)} s.`
  }
  get hint(): string {
    return "the image is as it was; look for what hangs with redd image login, and systemctl poweroff in it"
  }
}

export type BuildError =
  | BootstrapFailed
  | BootstrapMissing
  | StagingStuck
  | ImageExists
  | ImageInUse
  | ImageNotFound
  | Ansible.AnsibleError
  | Machine.AcquireError
  | Machine.ReleaseError

/** What became of an image. */
export interface Outcome {
  readonly did: "created" | "recreated" | "maintained" | "unchanged" | "would be changed"
  readonly generation: string
}

/** Of the machine in which a tree is worked on. */
export interface StagingOptions {
  /** Its proxy settings are the machine's, too. */
  readonly environment: Readonly<Record<string, string>>
  /** As MachineSpec has it. */
  readonly reserveBytes?: number | undefined
}

/**
 * Makes an image from nothing, playbook included; the next generation of one that is there, unless it shall be a new one:
 * ImageExists.
 */
export const build = (
  definition: Definition,
  bootstrap: Bootstrap,
  options: StagingOptions & Ansible.Options & BootstrapOptions & { readonly as?: "new" | "next" | undefined }
): Effect.Effect<Outcome, BuildError, Images | Records> =>
  Effect.scoped(
    Effect.gen(function* () {
      const images = yield* Images
      const { name } = definition
      if (definition.hasTasks) yield* Ansible.ensure
      const staged = yield* images.stage(name)
      const exists = (yield* images.list).some((image) => image.name === name)
      if (exists && options.as === "new") return yield* new ImageExists({ image: name })
      const bornMs = yield* Clock.currentTimeMillis
      yield* bootstrap.fill(staged, options)
      const tree = definition.hasTasks
        ? (yield* inStaging(definition, staged, options, (record) => Ansible.play(record, definition.file, options)))
            .tree
        : staged
      const image = yield* images.commit(name, tree, { as: options.as ?? "next", keep: definition.keep, bornMs })
      return { did: exists ? "recreated" : "created", generation: image.generation }
    })
  )

/** Runs the playbook on a clone of the current generation. Where it changes nothing, the image stays as it is. */
export const maintain = (
  definition: Definition,
  options: StagingOptions & Ansible.Options
): Effect.Effect<Outcome, BuildError, Images | Records> =>
  Effect.scoped(
    Effect.gen(function* () {
      const images = yield* Images
      yield* images.change(definition.name)
      const { bornMs, generation } = yield* images.get(definition.name)
      const stays = (did: "unchanged" | "would be changed") => ({ did, generation }) as const
      if (!definition.hasTasks) return stays("unchanged")
      yield* Ansible.ensure
      const { result, tree } = yield* inStaging(definition, generation, options, (record) =>
        Ansible.play(record, definition.file, options)
      )
      if (Option.contains(result, false)) return stays("unchanged")
      if (options.check === true) return stays("would be changed")
      const image = yield* images.commit(definition.name, tree, { as: "next", keep: definition.keep, bornMs })
      return { did: "maintained", generation: image.generation }
    })
  )

/** What a person wants of a tree that they have worked on. */
export type Decision = "promote" | "discard"

/** Has somebody work in a machine that is a clone of the image, and makes that the image, or not. */
export const login = <E, R>(
  name: ImageName,
  options: StagingOptions,
  work: (record: MachineRecord) => Effect.Effect<Decision, E, R>
): Effect.Effect<Option.Option<Image>, BuildError | E, Images | Records | R> =>
  Effect.scoped(
    Effect.gen(function* () {
      const images = yield* Images
      yield* images.change(name)
      const { bornMs, generation } = yield* images.get(name)
      const { result, tree } = yield* inStaging({ name, boot: "auto" }, generation, options, work)
      if (result === "discard") return Option.none()
      return Option.some(yield* images.commit(name, tree, { as: "next", bornMs }))
    })
  )

/** What is to be done about an image: it is not there, it is too old, or the playbook is to be run. */
export type Due = "create" | "recreate" | "maintain"

/** What an image's definition wants now. */
export const due = (definition: Definition, image: Option.Option<Image>, nowMs: number): Due =>
  Option.match(image, {
    onNone: (): Due => "create",
    onSome: ({ bornMs }) => {
      const { bootstrap, recreate } = definition
      if (bootstrap === undefined || recreate === "never") return "maintain"
      return recreate === "always" || nowMs - bornMs >= recreate ? "recreate" : "maintain"
    }
  })

/** A tree after some work on a machine that was made of it, ready to be committed until the scope closes. */
const inStaging = <A, E, R>(
  { boot, name }: Pick<Definition, "boot" | "name">,
  generation: string,
  { environment, reserveBytes }: StagingOptions,
  work: (record: MachineRecord) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const images = yield* Images
    const { root } = yield* Records
    const owner = yield* Host.self
    const spec: Machine.MachineSpec = {
      id: MachineId.make(`image ${name}`),
      image: name,
      generation,
      backend: "flat",
      boot,
      environment: proxies(environment),
      reserveBytes,
      isolation: (yield* Tree.isMappable(root)) ? "users" : "none"
    }
    const record = yield* Effect.acquireRelease(
      Machine.acquire(spec, owner),
      ({ id }) => Effect.orDie(Machine.release(id)),
      { interruptible: true }
    )
    const result = yield* work(record)
    if (!(yield* Machine.powerOff(record, patience))) return yield* new StagingStuck({ image: name })
    yield* forgetDoor(treeOf(record))
    return { result, tree: yield* images.adopt(name, treeOf(record)) }
  })

const patience = Duration.seconds(90)

/** Where the door's unit was bound in, systemd-nspawn has left an empty file, which systemd takes for a masked unit. */
const forgetDoor = (tree: string) =>
  Effect.gen(function* () {
    const folder = yield* Tree.resolve(tree, "etc/systemd/system")
    if (Option.isSome(folder)) yield* Files.remove(`${folder.value}/redd-door.service`)
  })
