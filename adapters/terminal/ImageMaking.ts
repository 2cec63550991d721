/** What the fronts that make images ask for: a name, a suite. */
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import { MachineRecord } from "../../src/index.ts"

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
