/** `redd prepare`: a machine that stays until it is cleaned up. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { Engine, Machine, type MachineRecord } from "../../src/index.ts"
import * as Say from "../terminal/Say.ts"
import { explained } from "./Explained.ts"
import * as Flags from "./Flags.ts"

export const prepare = Command.make("prepare", { id: Flags.id, ...Flags.machine, json: Flags.json }, (flags) =>
  Flags.withState((settings) =>
    Effect.gen(function* () {
      const started = yield* Clock.currentTimeMillis
      const spec = yield* Flags.specOf(flags.id, flags, settings)
      const record = yield* explained(settings.root)(Machine.acquire(spec))
      const seconds = ((yield* Clock.currentTimeMillis) - started) / 1000
      yield* Say.note(`redd: machine "${record.id}" is ready after ${seconds.toFixed(2)} s: ${describe(record)}`)
      yield* notes(record)
      if (flags.json) yield* Say.result(JSON.stringify(asJson(record)))
    })
  )
).pipe(
  Command.withDescription("Start a machine, and return when it accepts commands"),
  Command.withExamples([
    { command: "redd prepare --id job-1 --image trixie", description: "A machine called job-1" },
    {
      command: "redd prepare --id job-2 --image trixie --memory 4G --cpus 2 --bind-ro /srv/cache",
      description: "With limits and a folder of the host's"
    }
  ])
)

export const describe = (record: MachineRecord.MachineRecord): string =>
  `image ${record.image}, ${record.backend} backend, ${record.engine} engine${record.boot === "none" ? ", without init" : ""}`

/** What a person should know of a machine that is used all the same. */
export const notes = (record: MachineRecord.MachineRecord) =>
  Effect.gen(function* () {
    const failed = yield* Machine.failedUnits(record)
    if (failed.length > 0) yield* Say.note(`note: in the machine, ${failed.join(", ")} failed; it is used all the same`)
    const unenforced = yield* Engine.unenforced(record.limits)
    // The default limit on tasks is ours: nobody asked for it.
    const wanted = unenforced.filter((controller) => controller !== "pids")
    if (wanted.length > 0)
      yield* Say.note(
        `note: this host does not enforce limits of ${wanted.join(" and ")}: no such cgroup v2 controller`
      )
  })

/** A record as `--json` prints it: what others may build on, not all that a record holds. */
export const asJson = (record: MachineRecord.MachineRecord) => ({
  id: record.id,
  machine: record.key,
  image: record.image,
  generation: record.generation,
  backend: record.backend,
  engine: record.engine,
  isolation: record.isolation,
  boot: record.boot,
  network: record.network,
  range: record.range,
  created: new Date(record.createdMs).toISOString()
})
