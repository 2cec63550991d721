/** Images made to be what their definitions say, for the fronts that do that. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import {
  type Ansible,
  Bootstraps,
  Definition,
  Files,
  ImageBuild,
  Images,
  lacks,
  MachineRecord,
  proxies,
  Records
} from "../../src/index.ts"
import { Invocation } from "./Invocation.ts"
import { paragraph } from "./Paragraph.ts"
import * as Say from "./Say.ts"

/** No definition says anything of this image. */
export class DefinitionMissing extends Schema.TaggedError<DefinitionMissing>()("DefinitionMissing", {
  image: Schema.String,
  file: Schema.String
}) {
  override get message(): string {
    return `Image "${this.image}" has no definition: there is no ${this.file}.`
  }
  get hint(): string {
    return "docs/guides/images.md has one to begin with"
  }
}

/** The names for which a folder has a definition. */
export const names = (folder: string) =>
  Effect.map(Files.list(folder), (files) =>
    files
      .flatMap((file) => (/\.ya?ml$/.test(file) ? [file.replace(/\.ya?ml$/, "")] : []))
      .filter(isName)
      .sort()
  )

/** The definition of an image, in the first of these folders that has one. */
export const definitionOf = (folders: ReadonlyArray<string>, name: MachineRecord.ImageName) =>
  Effect.gen(function* () {
    for (const folder of folders) {
      for (const extension of ["yaml", "yml"]) {
        const found = yield* Definition.read(name, `${folder}/${name}.${extension}`)
        if (Option.isSome(found)) return found.value
      }
    }
    return yield* new DefinitionMissing({ image: name, file: `${folders[0] ?? ""}/${name}.yaml` })
  })

const isName = Schema.is(MachineRecord.ImageName)

/** What a person may want of a run of a playbook. */
export interface Wanted extends Pick<Ansible.Options, "check" | "diff" | "tags" | "extraVars"> {
  readonly timeout: Duration.Duration
  readonly reserveBytes: number | undefined
  /** New: not in the place of an image that is there. */
  readonly as?: "new" | "next" | undefined
}

/** How the tools that work on an image are called, and where what they say goes. */
const toolsOf = (wanted: Wanted, pass: (text: string) => void) =>
  Effect.gen(function* () {
    const { environment, program } = yield* Invocation
    const own = Object.entries(environment).flatMap(([name, value]) =>
      /^(ANSIBLE_|HOME$|SSH_AUTH_SOCK$)/.test(name) && value !== undefined ? [[name, value] as const] : []
    )
    const given = { ...Object.fromEntries(own), ...proxies(environment) }
    return { ...wanted, program, environment: given, output: pass, progress: pass }
  })

/** What is to be done about an image, and why. */
export const dueOf = (definition: Definition.Definition) =>
  Effect.gen(function* () {
    const all = yield* (yield* Images.Images).list
    const image = Option.fromUndefinedOr(all.find(({ name }) => name === definition.name))
    return ImageBuild.due(definition, image, yield* Clock.currentTimeMillis)
  })

/**
 * Makes an image what its definition says: from nothing where it is not there or is due, by its playbook else. All that
 * the tools said is kept in a file of the state folder's, until the next time.
 */
export const bring = (definition: Definition.Definition, due: ImageBuild.Due, wanted: Wanted, prefix = "") =>
  Effect.gen(function* () {
    const log: Array<string> = []
    const said = yield* Say.inOrder
    const tools = yield* toolsOf(wanted, (text) => {
      log.push(text)
      said.write(prefix === "" ? text : text.replaceAll(/^(?=[^\n])/gm, `${prefix}: `))
    })
    const work = due === "maintain" ? ImageBuild.maintain(definition, tools) : make(definition, tools)
    const outcome = yield* Effect.onExit(work, () =>
      Effect.andThen(said.flushed, Effect.ignore(keepLog(definition.name, log.join(""))))
    )
    if (outcome.did === "created" || outcome.did === "recreated")
      for (const lack of yield* lacks(outcome.generation)) yield* Say.note(`note: image ${definition.name} has ${lack}`)
    return outcome
  })

const make = (definition: Definition.Definition, tools: Effect.Success<ReturnType<typeof toolsOf>>) =>
  Effect.gen(function* () {
    if (definition.bootstrap === undefined)
      return yield* new ImageBuild.BootstrapMissing({ image: definition.name, file: definition.file })
    const images = yield* Images.Images
    const bootstrap = Bootstraps.of(definition.bootstrap, {
      definitionFolder: definition.file.slice(0, definition.file.lastIndexOf("/")),
      generationOf: (name) => Effect.map(images.get(name), ({ generation }) => generation)
    })
    yield* Say.note(`redd: making image ${definition.name}: ${bootstrap.description}`)
    return yield* ImageBuild.build(definition, bootstrap, tools)
  })

/** Makes a new image by a bootstrap alone. */
export const makePlain = (
  name: MachineRecord.ImageName,
  bootstrap: Definition.BootstrapSpec,
  { reserveBytes }: Pick<Wanted, "reserveBytes">
) => bring(Definition.plain(name, bootstrap), "create", { as: "new", timeout: Duration.zero, reserveBytes })

/** Where the log of an image's last making or maintenance is. */
export const logOf = (root: string, name: string): string => `${root}/cache/logs/${name}.log`

const keepLog = (name: string, text: string) =>
  Effect.gen(function* () {
    const { root } = yield* Records.Records
    yield* Files.makeFolder(`${root}/cache/logs`, 0o700)
    yield* Files.write(logOf(root, name), text)
  })

/** One image of many: what was done, or what went wrong. */
export interface Row {
  readonly name: string
  readonly did: string
  readonly generation: string
  readonly failed: boolean
}

/** Brings every image of these folders up, clones after what they are clones of; one that fails does not keep the others from it. */
export const apply = (
  folders: ReadonlyArray<string>,
  wanted: Wanted,
  options: { readonly parallel: number; readonly dryRun: boolean; readonly only?: ReadonlyArray<string> | undefined }
) =>
  Effect.gen(function* () {
    const found = [...new Set((yield* Effect.forEach(folders, names)).flat())]
    const chosen = options.only === undefined ? found : found.filter((name) => options.only?.includes(name))
    const read = yield* Effect.forEach(chosen, (name) =>
      Effect.map(Effect.result(definitionOf(folders, name)), (definition) => ({ name, definition }))
    )
    const sourceOf = (name: string): string | undefined => {
      const of = read.find((each) => each.name === name)?.definition
      return of?._tag === "Success" ? of.success.bootstrap?.clone : undefined
    }
    const done = new Map<string, Row>()
    for (const wave of waves(chosen, sourceOf)) {
      const rows = yield* Effect.forEach(
        read.filter(({ name }) => wave.includes(name)),
        ({ definition, name }) =>
          Effect.gen(function* () {
            const wantedImage = yield* Effect.fromResult(definition)
            const due = yield* dueOf(wantedImage)
            if (options.dryRun) return row(name, yield* wouldDo(wantedImage, due), "")
            const { did, generation } = yield* bring(wantedImage, due, wanted, options.parallel > 1 ? name : "")
            return row(name, did, Images.nameOf(generation))
          }).pipe(
            Effect.catch((error) =>
              Effect.as(Say.note(paragraph(error)), { name, did: "failed", generation: "", failed: true } satisfies Row)
            )
          ),
        { concurrency: options.parallel }
      )
      for (const each of rows) done.set(each.name, each)
    }
    return chosen.flatMap((name) => done.get(name) ?? [])
  })

/** What `bring` would do, or that it would fail at once. */
const wouldDo = (definition: Definition.Definition, due: ImageBuild.Due) =>
  due === "create" && definition.bootstrap === undefined
    ? Effect.fail(new ImageBuild.BootstrapMissing({ image: definition.name, file: definition.file }))
    : Effect.succeed(due === "maintain" && !definition.hasTasks ? "unchanged" : `would ${due}`)

/** Names in an order in which each comes after its source, as far as that is one of them; those of one wave may go at once. */
export const waves = (
  names: ReadonlyArray<string>,
  sourceOf: (name: string) => string | undefined
): ReadonlyArray<ReadonlyArray<string>> => {
  const ordered: Array<ReadonlyArray<string>> = []
  let rest = names
  while (rest.length > 0) {
    const next = rest.filter((name) => !rest.includes(sourceOf(name) ?? ""))
    // What is a clone of itself, by however many others, is left to fail.
    const wave = next.length > 0 ? next : rest
    ordered.push(wave)
    rest = rest.filter((name) => !wave.includes(name))
  }
  return ordered
}

const row = (name: string, did: string, generation: string): Row => ({ name, did, generation, failed: false })
