/** `redd run`: a script, byte for byte, from a file in the machine. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Descriptor, Files, Machine } from "../../src/index.ts"
import * as Flags from "./Flags.ts"
import { runHere } from "./Running.ts"

/** The script that was to be run cannot be read. */
export class ScriptUnreadable extends Schema.TaggedError<ScriptUnreadable>()("ScriptUnreadable", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `Cannot read the script ${this.path}: ${this.reason}.`
  }
  get hint(): string {
    return "name a file of this host, or - for standard input"
  }
}

export const run = Command.make(
  "run",
  {
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
  },
  (flags) =>
    Flags.withState((settings) =>
      Effect.gen(function* () {
        const record = yield* Machine.attach(flags.id)
        const content = yield* read(flags.script)
        if (Option.isSome(flags.label)) yield* Effect.logDebug(`run ${flags.label.value} in ${record.id}`)
        yield* runHere(
          record,
          { _tag: "Script", content, shell: Option.getOrUndefined(flags.shell) },
          {
            environment: flags.env,
            folder: Option.none(),
            timeout: flags.timeout,
            grace: Flags.graceOf(flags.grace, settings),
            json: flags.json
          }
        )
      })
    )
).pipe(
  Command.withDescription("Run a script in a machine; its exit code is ours"),
  Command.withExamples([
    { command: "redd run --id job-1 build.sh", description: "A script file" },
    { command: "echo 'make test' | redd run --id job-1 --timeout 10m -", description: "A script from standard input" }
  ])
)

const read = (script: string): Effect.Effect<Uint8Array, ScriptUnreadable> =>
  Effect.mapError(
    script === "-"
      ? Effect.map(Stream.runCollect(Descriptor.stdin), (chunks) => Buffer.concat(chunks))
      : Files.readBytes(script),
    (error) =>
      new ScriptUnreadable({
        path: script,
        reason: error.reason._tag === "NotFound" ? "there is no such file" : error.message
      })
  )
