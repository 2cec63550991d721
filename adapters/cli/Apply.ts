/** `redd apply`: the images become what /etc/redd/images says. */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Invocation } from "../terminal/Invocation.ts"
import { exitCodes } from "../terminal/Paragraph.ts"
import * as Say from "../terminal/Say.ts"
import * as Values from "../terminal/Values.ts"
import * as Flags from "./Flags.ts"
import { maintaining } from "./Maintaining.ts"

export const apply = Command.make(
  "apply",
  {
    parallel: Values.count("parallel", "images").pipe(
      Flag.withDescription("How many images at the same time"),
      Flag.withDefault(1)
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Change nothing, and say what would be done"),
      Flag.withDefault(false)
    ),
    diff: Flags.diff,
    timeout: Flags.playbookTimeout,
    json: Flags.json
  },
  ({ diff, dryRun, json, parallel, timeout }) =>
    Flags.withState((settings) =>
      Effect.gen(function* () {
        const Maintaining = yield* maintaining
        const rows = yield* Maintaining.apply(
          [settings.definitions],
          { diff, timeout, reserveBytes: settings.reserveBytes },
          { parallel, dryRun }
        )
        if (json) yield* Say.result(JSON.stringify(rows))
        else if (rows.length === 0) yield* Say.note(`redd: there are no definitions in ${settings.definitions}`)
        else
          yield* Say.table(
            ["IMAGE", "DONE", "GENERATION"],
            rows.map(({ did, generation, name }) => [name, did, generation])
          )
        if (rows.some(({ failed }) => failed)) yield* (yield* Invocation).exitWith(exitCodes.someFailed)
      })
    )
).pipe(
  Command.withDescription("Make the images be what their definitions say"),
  Command.withExamples([
    { command: "redd apply", description: "Create what is missing, recreate what is due, maintain the rest" },
    { command: "redd apply --dry-run", description: "What would be done" }
  ])
)
