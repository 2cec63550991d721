/** Making an image, for the fronts that do: its name, its suite, and what the tools say while they work. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import { ImageBuild, MachineRecord, type mmdebstrap, proxies, Text } from "../../src/index.ts"
import { Invocation } from "./Invocation.ts"
import * as Say from "./Say.ts"

export const newName = Argument.String("name").pipe(
  Argument.withDescription("The image's name"),
  Argument.filterMap(
    Schema.decodeUnknownOption(MachineRecord.ImageName),
    (text) =>
      `"${text}" cannot name an image: letters, digits, dots, dashes and underscores, a letter or digit first, at most 64`
  )
)

/** The name of a suite. */
export const isSuite = (text: string): boolean => /^[a-z][a-z0-9-]*$/.test(text)

export const suite = Flag.String("suite").pipe(
  Flag.withDescription("The Debian suite, as trixie"),
  Flag.filter(isSuite, (text) => `"${text}" is no name of a suite`)
)

/** Makes an image, with the lines of its tools as progress. */
export const make = (name: MachineRecord.ImageName, bootstrap: ReturnType<typeof mmdebstrap>) =>
  Effect.gen(function* () {
    const said = yield* Say.inOrder
    yield* Say.note(`redd: making image ${name}: ${bootstrap.description}`)
    const { environment } = yield* Invocation
    const image = yield* Effect.ensuring(
      ImageBuild.create(name, bootstrap, {
        progress: (text) => said.write(`${Text.printable(text).replaceAll(/^/gm, "  ")}\n`),
        environment: proxies(environment)
      }),
      said.flushed
    )
    yield* Say.note(`redd: image ${image.name} is there`)
  })
