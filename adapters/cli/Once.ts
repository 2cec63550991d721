/** `redd once`: prepare, exec and cleanup in one. */
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { Machine, MachineRecord } from "../../src/index.ts"
import { commandFlags, words } from "./Exec.ts"
import * as Flags from "./Flags.ts"
import { explained } from "../terminal/Made.ts"
import { specOf } from "./Making.ts"
import { operandsOf } from "../terminal/Operands.ts"
import { runWords } from "./Running.ts"

/** `--env` is the command's, and there is no other in this machine. */
const { env: _, ...machineFlags } = Flags.machine

export const once = Command.make(
  "once",
  { ...machineFlags, ...commandFlags, json: Flags.json, command: words.pipe(Argument.atLeast(0)) },
  (flags) =>
    Flags.withState((settings) =>
      Effect.scoped(
        Effect.gen(function* () {
          const operands = yield* operandsOf(flags.command)
          const id = MachineRecord.MachineId.make(`once-${crypto.randomUUID()}`)
          const spec = yield* specOf(id, flags, settings)
          const record = yield* explained(settings.root)(Machine.make(spec))
          yield* runWords(record, operands.length === 0 ? ["/bin/sh"] : operands, flags, settings)
        })
      )
    )
).pipe(
  Command.withDescription(
    "Run a program in a fresh machine that is gone afterwards; without one, a shell that reads our standard input"
  ),
  Command.withExamples([
    { command: "redd once --image trixie -- cat /etc/os-release", description: "One command, one machine" }
  ])
)
