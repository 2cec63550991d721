/** `redd copy-in` and `redd copy-out`. */
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { Machine, Transfer } from "../../src/index.ts"
import * as Flags from "./Flags.ts"

const paths = {
  id: Flags.id,
  source: Argument.String("source").pipe(Argument.withDescription("A file or folder")),
  destination: Argument.String("destination").pipe(Argument.withDescription("Its new name, or a folder to put it in"))
}

export const copyIn = Command.make("copy-in", paths, ({ destination, id, source }) =>
  Flags.withState(() => Effect.flatMap(Machine.attach(id), (record) => Transfer.copyIn(record, source, destination)))
).pipe(
  Command.withDescription("Copy a file or folder of the host into a machine"),
  Command.withExamples([{ command: "redd copy-in --id job-1 ./src /build/", description: "As /build/src" }])
)

export const copyOut = Command.make("copy-out", paths, ({ destination, id, source }) =>
  Flags.withState(() => Effect.flatMap(Machine.attach(id), (record) => Transfer.copyOut(record, source, destination)))
).pipe(
  Command.withDescription("Copy a file or folder of a machine to the host; never over what is there"),
  Command.withExamples([{ command: "redd copy-out --id job-1 /build/report ./report", description: "As ./report" }])
)
