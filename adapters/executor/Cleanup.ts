/** The `cleanup` stage: the machine goes, whatever became of the job. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Invocation } from "../terminal/Invocation.ts"
import { Machine, MachineRecord, Records } from "../../src/index.ts"
import type { Configuration } from "../terminal/Configuration.ts"
import { paragraph } from "../terminal/Paragraph.ts"
import * as Say from "../terminal/Say.ts"
import * as Contract from "./Contract.ts"
import * as Job from "./Job.ts"

/**
 * Removes the job's machine. A success whatever happens: the job's verdict is given, and what is left is said on standard
 * error, which GitLab Runner shows the administrator, and released by the next gc. A signal does not stop it half-way.
 */
export const cleanup = (
  options: { readonly id?: MachineRecord.MachineId | undefined },
  settings: Configuration
): Effect.Effect<void, never, Invocation> =>
  Effect.gen(function* () {
    const { claimSignal, environment } = yield* Invocation
    yield* Effect.forkScoped(claimSignal)
    const id = yield* Job.machineId(Contract.read(environment, options.id))
    const records = yield* Records.Records
    const record = yield* records.find(MachineRecord.keyOf(records.root, id))
    const keptUntilMs = record._tag === "Some" ? (record.value.keptUntilMs ?? 0) : 0
    if (keptUntilMs > (yield* Clock.currentTimeMillis))
      return yield* Say.note(
        `redd: machine "${id}" is kept until ${new Date(keptUntilMs).toISOString()}, for redd shell`
      )
    yield* Machine.release(id)
  }).pipe(
    Effect.provide(Machine.layer(settings.root)),
    Effect.scoped,
    Effect.catch((error) =>
      Effect.andThen(
        Say.note(paragraph(error)),
        Say.note("redd: what is left of the job's machine is for redd gc to release")
      )
    )
  )
