/** `redd exec`: a program and its arguments, with our standard input. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Descriptor, Machine, type MachineRecord } from "../../src/index.ts"
import type { Configuration } from "../terminal/Configuration.ts"
import * as Flags from "./Flags.ts"
import { operandsOf, runHere } from "./Running.ts"

/** Flags of a command in a machine. */
export const commandFlags = {
  env: Flags.environment("A variable for this command"),
  cwd: Flag.String("cwd").pipe(Flag.withDescription("The working directory in the machine (/)"), Flag.optional),
  user: Flag.String("user").pipe(
    Flag.withDescription("Who runs it: a name or number of the machine's (root)"),
    Flag.optional
  ),
  timeout: Flags.duration("timeout").pipe(Flag.withDescription("End it after this long"), Flag.optional),
  grace: Flags.duration("grace").pipe(Flag.withDescription("From SIGTERM until it is killed (10s)"), Flag.optional)
}

export const words = Argument.String("command").pipe(
  Argument.withDescription("After --: the program and its arguments, passed on unaltered")
)

/** Runs words with our standard input, as the flags say. */
export const runWords = (
  record: MachineRecord.MachineRecord,
  command: ReadonlyArray<string | Uint8Array>,
  flags: Command.Command.Config.Infer<typeof commandFlags> & { readonly json: boolean },
  settings: Configuration
) =>
  runHere(
    record,
    { _tag: "Words", words: command, user: Option.getOrUndefined(flags.user), stdin: Descriptor.stdin },
    {
      environment: flags.env,
      folder: flags.cwd,
      timeout: flags.timeout,
      grace: Flags.graceOf(flags.grace, settings),
      json: flags.json
    }
  )

export const exec = Command.make(
  "exec",
  { id: Flags.id, ...commandFlags, json: Flags.json, command: words.pipe(Argument.atLeast(1)) },
  (flags) =>
    Flags.withState((settings) =>
      Effect.gen(function* () {
        const operands = yield* operandsOf(flags.command)
        yield* runWords(yield* Machine.attach(flags.id), operands, flags, settings)
      })
    )
).pipe(
  Command.withDescription("Run a program in a machine, with our standard input; its exit code is ours"),
  Command.withExamples([
    { command: "redd exec --id job-1 -- apt-get install -y make", description: "A program and its arguments" },
    { command: "redd exec --id job-1 --user nobody --cwd /tmp -- id", description: "As another user, elsewhere" },
    { command: "tar c . | redd exec --id job-1 --cwd /srv -- tar x", description: "With our standard input" }
  ])
)
