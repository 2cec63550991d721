/** `redd image`: images made, kept, looked at, removed. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import {
  Backends,
  Descriptor,
  Export,
  ImageBuild,
  Images,
  lacks,
  Login,
  proxies,
  Quantity,
  Shell
} from "../../src/index.ts"
import * as Ask from "../terminal/Ask.ts"
import * as ImageMaking from "../terminal/ImageMaking.ts"
import { Invocation } from "../terminal/Invocation.ts"
import * as Say from "../terminal/Say.ts"
import * as Flags from "./Flags.ts"
import { maintaining } from "./Maintaining.ts"
import { UsageWrong } from "../terminal/Operands.ts"

const name = Argument.String("name").pipe(Argument.withDescription("The image's name"))
const create = Command.make(
  "create",
  {
    suite: ImageMaking.suite,
    include: Flag.String("include").pipe(
      Flag.withDescription("Packages beyond the smallest system that boots, with commas between"),
      Flag.withDefault("")
    ),
    mirror: Flag.String("mirror").pipe(Flag.withDescription("Where the packages come from"), Flag.optional),
    name: ImageMaking.newName
  },
  (flags) =>
    Flags.withState((settings) =>
      Effect.gen(function* () {
        const { makePlain } = yield* maintaining
        const mirror = Option.match(flags.mirror, { onNone: () => ({}), onSome: (found) => ({ mirror: found }) })
        const include = flags.include.split(",").filter((word) => word !== "")
        yield* makePlain(flags.name, { mmdebstrap: { suite: flags.suite, include, ...mirror } }, settings)
        yield* Say.note(`redd: image ${flags.name} is there`)
      })
    )
).pipe(
  Command.withDescription("Make an image with mmdebstrap"),
  Command.withExamples([
    {
      command: "redd image create trixie --suite trixie --include git,python3",
      description: "Debian 13 with git and Python"
    }
  ])
)

const list = Command.make("list", { json: Flags.json }, (flags) =>
  Flags.withState((settings) =>
    Effect.gen(function* () {
      const Maintaining = yield* maintaining
      const images = yield* Images.Images
      const now = yield* Clock.currentTimeMillis
      const defined = new Set<string>(yield* Maintaining.names(settings.definitions))
      const rows = yield* Effect.forEach(yield* images.list, (image) =>
        Effect.gen(function* () {
          const users = (yield* images.history(image.name)).flatMap((generation) => generation.users)
          const definition = defined.has(image.name)
            ? Option.getOrUndefined(yield* Effect.option(Maintaining.definitionOf([settings.definitions], image.name)))
            : undefined
          const proposal = { root: settings.root, generation: image.generation, isolation: settings.isolation }
          const backend = yield* Effect.asSome(Backends.choose(settings.backend, proposal)).pipe(
            Effect.catchTag("BackendUnfit", () => Effect.succeedNone)
          )
          return {
            name: image.name,
            generation: Images.nameOf(image.generation),
            created: new Date(image.createdMs).toISOString(),
            sizeBytes: image.sizeBytes ?? null,
            backend: Option.match(backend, { onNone: () => null, onSome: (found) => found.name }),
            users,
            defined: defined.has(image.name),
            due: definition !== undefined && ImageBuild.due(definition, Option.some(image), now) === "recreate"
          }
        })
      )
      if (flags.json) return yield* Say.result(JSON.stringify(rows))
      yield* Say.table(
        ["NAME", "GENERATION", "AGE", "SIZE", "BACKEND", "MACHINES", "DEFINED"],
        rows.map((row) => [
          row.name,
          row.generation,
          Quantity.formatAge(now - Date.parse(row.created)),
          row.sizeBytes === null ? "" : Quantity.formatSize(row.sizeBytes),
          row.backend ?? "none",
          String(row.users.length),
          row.defined ? (row.due ? "due" : "yes") : "no"
        ])
      )
    })
  )
).pipe(Command.withDescription("The images of this state folder"))

const history = Command.make("history", { name, json: Flags.json }, (flags) =>
  Flags.withState(() =>
    Effect.gen(function* () {
      const all = yield* (yield* Images.Images).history(flags.name)
      const rows = all.map((each) => ({
        generation: each.stamp,
        created: new Date(each.createdMs).toISOString(),
        current: each.current,
        users: each.users
      }))
      if (flags.json) return yield* Say.result(JSON.stringify(rows))
      yield* Say.table(
        ["GENERATION", "CREATED", "CURRENT", "MACHINES"],
        rows.map((row) => [row.generation, row.created, row.current ? "yes" : "", row.users.join(", ")])
      )
    })
  )
).pipe(Command.withDescription("The generations of an image, the newest first"))

const rollback = Command.make(
  "rollback",
  {
    to: Flag.String("to").pipe(
      Flag.withDescription("The generation, as history shows it (else the one before the current one)"),
      Flag.optional
    ),
    name
  },
  (flags) =>
    Flags.withState(() =>
      Effect.gen(function* () {
        const { stamp } = yield* (yield* Images.Images).rollback(flags.name, Option.getOrUndefined(flags.to))
        yield* Say.note(`redd: image ${flags.name} is its generation ${stamp} from the next machine on`)
      })
    )
).pipe(Command.withDescription("Make an earlier generation the current one; machines that run are not touched"))

const show = Command.make("show", { name, json: Flags.json }, (flags) =>
  Flags.withState((settings) =>
    Effect.gen(function* () {
      const Maintaining = yield* maintaining
      const images = yield* Images.Images
      const image = yield* images.get(flags.name)
      const all = yield* images.history(flags.name)
      const file = Option.map(
        yield* Effect.option(Maintaining.definitionOf([settings.definitions], image.name)),
        (definition) => definition.file
      )
      const facts = {
        name: image.name,
        generation: image.generation,
        created: new Date(image.createdMs).toISOString(),
        born: new Date(image.bornMs).toISOString(),
        generations: all.length,
        users: all.flatMap(({ users }) => users),
        definition: Option.getOrElse(file, () => ""),
        log: Maintaining.logOf(settings.root, image.name),
        lacks: yield* lacks(image.generation)
      }
      if (flags.json) return yield* Say.result(JSON.stringify(facts))
      for (const [key, value] of Object.entries(facts))
        yield* Say.result(`${key.padEnd(12)}${typeof value === "object" ? value.join(", ") : value}`)
    })
  )
).pipe(Command.withDescription("What an image is, and what it lacks"))

const login = Command.make(
  "login",
  {
    inPlace: Flag.Boolean("in-place").pipe(
      Flag.withDescription("In the image's own tree; refused while machines run on it"),
      Flag.withDefault(false)
    ),
    name: ImageMaking.newName
  },
  (flags) =>
    Flags.withState((settings) =>
      Effect.gen(function* () {
        if (!Descriptor.isTerminal(0)) {
          return yield* new UsageWrong({
            reason: "A login needs a terminal",
            remedy: "write a playbook for what a program shall do"
          })
        }
        const { environment, exitWith } = yield* Invocation
        if (flags.inPlace) return yield* exitWith(yield* Login.inPlace(flags.name))
        const made = yield* ImageBuild.login(
          flags.name,
          { environment: proxies(environment), reserveBytes: settings.reserveBytes },
          (record) =>
            Effect.andThen(
              Shell.open(record),
              Effect.map(Ask.yesOrNo(`Make this the image ${flags.name} from the next machine on?`), (yes) =>
                yes ? ("promote" as const) : ("discard" as const)
              )
            )
        )
        yield* Say.note(
          Option.match(made, {
            onNone: () => `redd: image ${flags.name} is as it was`,
            onSome: ({ generation }) => `redd: image ${flags.name} is ${generation}`
          })
        )
      })
    )
).pipe(Command.withDescription("A shell in a clone of an image, which becomes the image if you want"))

const exportImage = Command.make(
  "export",
  { name, file: Argument.String("file").pipe(Argument.withDescription("The tarball, as trixie.tar.zst")) },
  (flags) => Flags.withState(() => Export.toTarball(flags.name, flags.file))
).pipe(Command.withDescription("Write an image into a tarball, which the bootstrap tarball takes"))

const maintain = Command.make(
  "maintain",
  {
    check: Flag.Boolean("check").pipe(
      Flag.withDescription("Change nothing, say what would be"),
      Flag.withDefault(false)
    ),
    diff: Flags.diff,
    tags: Flag.String("tags").pipe(
      Flag.withDescription("Only tasks with these tags, with commas between"),
      Flag.withDefault("")
    ),
    extraVars: Flag.String("extra-vars").pipe(
      Flag.withDescription("Variables for the playbook, as ansible-playbook takes them"),
      Flag.atLeast(0)
    ),
    timeout: Flags.playbookTimeout,
    name: ImageMaking.newName
  },
  ({ name: image, tags, ...wanted }) =>
    Flags.withState((settings) =>
      Effect.gen(function* () {
        const Maintaining = yield* maintaining
        const definition = yield* Maintaining.definitionOf([settings.definitions], image)
        const { did, generation } = yield* Maintaining.bring(definition, "maintain", {
          ...wanted,
          reserveBytes: settings.reserveBytes,
          tags: tags.split(",").filter((tag) => tag !== "")
        })
        yield* Say.note(`redd: image ${image} is ${did}: ${Images.nameOf(generation)}`)
      })
    )
).pipe(
  Command.withDescription("Run an image's playbook on a clone of it, and make that the image"),
  Command.withExamples([
    { command: "redd image maintain trixie --check --diff", description: "What the playbook would change" }
  ])
)

const remove = Command.make("remove", { name }, (flags) =>
  Flags.withState(() => Effect.flatMap(Images.Images, (images) => images.remove(flags.name)))
).pipe(Command.withDescription("Remove an image; refused while a machine runs on it"))

export const image = Command.make("image").pipe(
  Command.withDescription("The images that machines start from"),
  Command.withSubcommands([create, list, show, history, login, maintain, rollback, exportImage, remove])
)
