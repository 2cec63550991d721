/** `redd image`: create, list, remove. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Images, mmdebstrap } from "../../src/index.ts"
import * as ImageMaking from "../terminal/ImageMaking.ts"
import * as Say from "../terminal/Say.ts"
import * as Flags from "./Flags.ts"

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
    Flags.withState(() =>
      ImageMaking.make(
        flags.name,
        mmdebstrap({
          suite: flags.suite,
          include: flags.include.split(",").filter((word) => word !== ""),
          mirror: Option.getOrUndefined(flags.mirror)
        })
      )
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
