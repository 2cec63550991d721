/** `redd exec`: a program and its arguments, with our standard input. */
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Machine } from "../../src/index.ts"
import * as Flags from "./Flags.ts"
import { operandsOf } from "../terminal/Operands.ts"
import { runWords } from "./Running.ts"

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

export const execFlags = { id: Flags.id, ...commandFlags, json: Flags.json, command: words.pipe(Argument.atLeast(1)) }

export const exec = Command.make("exec", execFlags, (flags) =>
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
