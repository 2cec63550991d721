/** `redd run`: a script, byte for byte, from a file in the machine. */
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Machine } from "../../src/index.ts"
import * as Flags from "./Flags.ts"
import { runScript } from "./Running.ts"

export const runFlags = {
  id: Flags.id,
  shell: Flag.String("shell").pipe(
    Flag.withDescription("The shell that runs it (bash where there is one, else sh)"),
    Flag.optional
  ),
  timeout: Flags.duration("timeout").pipe(Flag.withDescription("End it after this long"), Flag.optional),
  grace: Flags.duration("grace").pipe(Flag.withDescription("From SIGTERM until it is killed (10s)"), Flag.optional),
  env: Flags.environment("A variable for this script"),
  json: Flags.json,
  script: Argument.String("script").pipe(Argument.withDescription("A script file, or - for standard input")),
  label: Argument.String("label").pipe(Argument.withDescription("What it is called, for people"), Argument.optional)
}

export const run = Command.make("run", runFlags, (flags) =>
  Flags.withState((settings) =>
    Effect.flatMap(Machine.attach(flags.id), (record) => runScript(record, flags, settings))
  )
).pipe(
  Command.withDescription("Run a script in a machine; its exit code is ours"),
  Command.withExamples([
    { command: "redd run --id job-1 build.sh", description: "A script file" },
    { command: "echo 'make test' | redd run --id job-1 --timeout 10m -", description: "A script from standard input" }
  ])
)
