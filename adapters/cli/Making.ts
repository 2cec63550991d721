/**
 * What `prepare`, `cleanup` and `once` do with a machine, whoever has parsed their flags. Loaded at each start of
 * `redd prepare`: nothing here reaches effect's command line, and the doctor only when he is needed.
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Machine, type MachineRecord } from "../../src/index.ts"
import type { Configuration } from "../terminal/Configuration.ts"
import { describe, explained, notes } from "../terminal/Made.ts"
import * as Say from "../terminal/Say.ts"
import type { MachineFlags } from "./Flags.ts"

/** Prepares a machine, and says what it is. */
export const prepareMachine = (
  flags: MachineFlags & { readonly id: MachineRecord.MachineId; readonly json: boolean },
  settings: Configuration
) =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    const record = yield* explained(settings.root)(Machine.acquire(yield* specOf(flags.id, flags, settings)))
    const seconds = ((yield* Clock.currentTimeMillis) - started) / 1000
    yield* Say.note(`redd: machine "${record.id}" is ready after ${seconds.toFixed(2)} s: ${describe(record)}`)
    yield* notes(record)
    if (flags.json) yield* Say.result(JSON.stringify(asJson(record)))
  })

/** Runs with the machines and images of a state folder. */
export const withMachines = <A, E, R>(root: string, use: Effect.Effect<A, E, R>) =>
  Effect.provide(use, Machine.layer(root))

/** Releases a machine. */
export const cleanUpMachine = (flags: {
  readonly id: MachineRecord.MachineId
  readonly grace: Option.Option<Duration.Duration>
}) => Machine.release(flags.id, { grace: Option.getOrUndefined(flags.grace) })

/** A machine's spec from flags, and from the configuration where a flag is absent. */
export const specOf = (
  machineId: MachineRecord.MachineId,
  flags: MachineFlags,
  settings: Configuration
): Effect.Effect<Machine.MachineSpec, Machine.SpecInvalid> =>
  Effect.gen(function* () {
    const image = Option.orElse(flags.image, () => settings.defaultImage)
    if (Option.isNone(image)) {
      return yield* new Machine.SpecInvalid({
        reason: "No image was named",
        remedy:
          "give --image NAME, set REDD_IMAGE, or default-image in the configuration; redd image list shows what there is"
      })
    }
    const { limits } = settings
    return {
      id: machineId,
      image: image.value,
      backend: Option.getOrElse(flags.backend, () => settings.backend),
      engine: Option.getOrElse(flags.engine, () => settings.engine),
      isolation: Option.getOrElse(flags.isolation, () => settings.isolation),
      boot: flags.boot,
      bootTimeout: Option.getOrUndefined(flags.bootTimeout),
      network: flags.network,
      binds: [...flags.bind, ...flags.bindReadOnly],
      environment: flags.env,
      limits: {
        ...limits,
        ...Option.match(flags.memory, { onNone: () => ({}), onSome: (memoryBytes) => ({ memoryBytes }) }),
        ...Option.match(flags.cpus, { onNone: () => ({}), onSome: (cpus) => ({ cpus }) }),
        ...Option.match(flags.tasks, { onNone: () => ({}), onSome: (tasks) => ({ tasks }) })
      },
      tmpSizeBytes: Option.getOrUndefined(flags.tmpSize),
      reserveBytes: settings.reserveBytes,
      boots: settings.boots
    }
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
  created: new Date(record.createdMs).toISOString(),
  ...(record.expiresMs === undefined ? {} : { expires: new Date(record.expiresMs).toISOString() }),
  ...(record.keptUntilMs === undefined ? {} : { keptUntil: new Date(record.keptUntilMs).toISOString() })
})
