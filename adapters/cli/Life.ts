/** `redd cleanup`, `redd list`, `redd gc`, `redd shell`: what is there, and taking it away. */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Descriptor, Machine, Records, Shell } from "../../src/index.ts"
import { Invocation } from "../terminal/Invocation.ts"
import { exitCodes, paragraph } from "../terminal/Paragraph.ts"
import * as Say from "../terminal/Say.ts"
import * as Flags from "./Flags.ts"
import { asJson, cleanUpMachine } from "./Making.ts"
import { UsageWrong } from "../terminal/Operands.ts"

export const cleanupFlags = {
  id: Flags.id,
  grace: Flags.duration("grace").pipe(
    Flag.withDescription("Ask it to power off, and wait this long before it is killed"),
    Flag.optional
  )
}

export const cleanup = Command.make("cleanup", cleanupFlags, (flags) =>
  Flags.withState(() => cleanUpMachine(flags))
).pipe(
  Command.withDescription("Stop a machine and remove all of it; a second time is a success"),
  Command.withExamples([{ command: "redd cleanup --id job-1", description: "It is gone when this returns" }])
)

export const list = Command.make("list", { json: Flags.json }, (flags) =>
  Flags.withState(() =>
    Effect.gen(function* () {
      const records = yield* Records.Records
      const rows: Array<ReturnType<typeof asJson> & { readonly state: Machine.State }> = []
      for (const listed of yield* records.list) {
        if (listed._tag === "Unreadable") yield* Say.note(paragraph(listed.error))
        else rows.push({ ...asJson(listed.record), state: yield* Machine.state(listed.record) })
      }
      if (flags.json) return yield* Say.result(JSON.stringify(rows))
      yield* Say.table(
        ["ID", "STATE", "IMAGE", "BACKEND", "ENGINE", "CREATED", "MACHINE"],
        rows.map((row) => [row.id, row.state, row.image, row.backend, row.engine, row.created, row.machine])
      )
    })
  )
).pipe(Command.withDescription("The machines of this state folder"))

export const gc = Command.make(
  "gc",
  {
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Change nothing, and say what would be done"),
      Flag.withDefault(false)
    ),
    removeStrays: Flag.Boolean("remove-strays").pipe(
      Flag.withDescription("Remove also what has a machine's name and no record, running or not"),
      Flag.withDefault(false)
    ),
    json: Flags.json
  },
  ({ dryRun, json, removeStrays }) =>
    Flags.withState(() =>
      Effect.gen(function* () {
        const { collected, deleted, failed, strays } = yield* Machine.collect({ dryRun, removeStrays })
        if (json) {
          yield* Say.result(
            JSON.stringify({
              dryRun,
              released: collected,
              deleted,
              strays: strays.map((stray) => ({ ...stray, removed: removeStrays && !dryRun })),
              failed: failed.map((error) => error.message)
            })
          )
        } else {
          for (const { id, reason } of collected)
            yield* Say.result(`${dryRun ? "would release" : "released"} machine "${id}" (${reason})`)
          for (const path of deleted) yield* Say.result(`${dryRun ? "would delete" : "deleted"} ${path}`)
          const done = !removeStrays ? "found" : dryRun ? "would remove" : "removed"
          for (const { found, machine } of strays) yield* Say.result(`${done} stray ${machine}: ${found.join(", ")}`)
          if (strays.length > 0 && !removeStrays)
            yield* Say.note("hint: strays have no record; redd gc --remove-strays removes them")
        }
        for (const error of failed) yield* Say.note(paragraph(error))
        if (failed.length > 0) yield* (yield* Invocation).exitWith(exitCodes.failed)
      })
    )
).pipe(
  Command.withDescription("Release machines that died, or whose owner did; live ones are never touched"),
  Command.withExamples([
    { command: "redd gc --dry-run", description: "What would be released" },
    { command: "redd gc --remove-strays", description: "Also what nobody remembers" }
  ])
)

export const shell = Command.make("shell", { id: Flags.id }, (flags) =>
  Flags.withState(() =>
    Effect.gen(function* () {
      if (!Descriptor.isTerminal(0)) {
        return yield* new UsageWrong({
          reason: "A shell needs a terminal",
          remedy: `run commands with redd exec --id ${flags.id} -- CMD`
        })
      }
      const code = yield* Shell.open(yield* Machine.attach(flags.id))
      yield* (yield* Invocation).exitWith(code)
    })
  )
).pipe(Command.withDescription("An interactive shell in a machine, for administrators"))
