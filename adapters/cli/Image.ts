/** `redd image`: create, list, remove. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { ImageBuild, Images, MachineRecord, mmdebstrap, Text } from "../../src/index.ts"
import * as Say from "../terminal/Say.ts"
import * as Flags from "./Flags.ts"

const name = Argument.String("name").pipe(Argument.withDescription("The image's name"))
const newName = name.pipe(
  Argument.filterMap(
    Schema.decodeUnknownOption(MachineRecord.ImageName),
    (text) =>
      `"${text}" cannot name an image: letters, digits, dots, dashes and underscores, a letter or digit first, at most 64`
  )
)

const create = Command.make(
  "create",
  {
    suite: Flag.String("suite").pipe(
      Flag.withDescription("The Debian suite, as trixie"),
      Flag.filter(
        (suite) => /^[a-z][a-z0-9-]*$/.test(suite),
        (suite) => `"${suite}" is no name of a suite`
      )
    ),
    include: Flag.String("include").pipe(
      Flag.withDescription("Packages beyond the smallest system that boots, with commas between"),
      Flag.withDefault("")
    ),
    mirror: Flag.String("mirror").pipe(Flag.withDescription("Where the packages come from"), Flag.optional),
    name: newName
  },
  (flags) =>
    Flags.withState(() =>
      Effect.gen(function* () {
        const bootstrap = mmdebstrap({
          suite: flags.suite,
          include: flags.include.split(",").filter((word) => word !== ""),
          mirror: Option.getOrUndefined(flags.mirror)
        })
        const context = yield* Effect.context()
        yield* Say.note(`redd: making image ${flags.name}: ${bootstrap.description}`)
        const image = yield* ImageBuild.create(flags.name, bootstrap, (text) => {
          Effect.runForkWith(context)(Say.note(Text.printable(text).replaceAll(/^/gm, "  ")))
        })
        yield* Say.note(`redd: image ${image.name} is there`)
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
  Flags.withState(() =>
    Effect.gen(function* () {
      const images = yield* (yield* Images.Images).list
      const rows = images.map((image) => ({
        name: image.name,
        generation: image.generation.slice(image.generation.lastIndexOf("/") + 1),
        created: new Date(image.createdMs).toISOString()
      }))
      if (flags.json) return yield* Say.result(JSON.stringify(rows))
      yield* Say.table(
        ["NAME", "GENERATION", "CREATED"],
        rows.map((row) => [row.name, row.generation, row.created])
      )
    })
  )
).pipe(Command.withDescription("The images of this state folder"))

const remove = Command.make("remove", { name }, (flags) =>
  Flags.withState(() => Effect.flatMap(Images.Images, (images) => images.remove(flags.name)))
).pipe(Command.withDescription("Remove an image; refused while a machine runs on it"))

export const image = Command.make("image").pipe(
  Command.withDescription("The images that machines start from"),
  Command.withSubcommands([create, list, remove])
)
