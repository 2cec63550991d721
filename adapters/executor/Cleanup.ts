/** The `cleanup` stage: the machine goes, whatever became of the job. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Invocation } from "../terminal/Invocation.ts"
import { Machine, MachineRecord, Records } from "../../src/index.ts"
import type { Configuration } from "../terminal/Configuration.ts"
import { paragraph } from "../terminal/Paragraph.ts"
import * as Say from "../terminal/Say.ts"
import * as Contract from "./Contract.ts"
import * as Job from "./Job.ts"
import type { Call } from "./Verdict.ts"

/**
 * Removes the job's machine. A success whatever happens: the job's verdict is given, and what is left is said on standard
 * error, which GitLab Runner shows the administrator, and released by the next gc. A signal does not stop it half-way.
 */
export const cleanup = <E, R>({ id, settings }: Call<E, R>): Effect.Effect<void, never, R | Invocation> =>
  Effect.gen(function* () {
    const { claimSignal, environment } = yield* Invocation
    yield* Effect.forkScoped(claimSignal)
    const loaded = yield* settings
    const machine = yield* Job.machineId(Contract.read(environment, id))
    yield* Effect.provide(release(machine, loaded), Machine.layer(loaded.root))
  }).pipe(
    Effect.scoped,
    Effect.catch((error) =>
      Effect.andThen(
        Say.note(paragraph(error)),
        Say.note("redd: what is left of the job's machine is for redd gc to release")
      )
    )
  )

const release = (id: MachineRecord.MachineId, { gitlab }: Configuration) =>
  Effect.gen(function* () {
    const records = yield* Records.Records
    const key = MachineRecord.keyOf(records.root, id)
    const record = yield* records.find(key)
    const now = yield* Clock.currentTimeMillis
    if (Option.exists(record, ({ keptUntilMs = 0 }) => keptUntilMs > now)) {
      // From now on, and not from the moment at which its script failed: others have run since.
      const untilMs = now + Duration.toMillis(gitlab.keepFor)
      yield* Machine.keep({ key, id }, untilMs, { isDone: true })
      return yield* Say.note(`redd: machine "${id}" is kept until ${new Date(untilMs).toISOString()}, for redd shell`)
    }
    yield* Machine.release(id)
  })
