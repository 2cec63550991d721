/** What fronts say of a machine that they made, or could not make. The doctor is loaded only when he is needed. */
import * as Effect from "effect/Effect"
import { Engine, FailedUnits, type MachineRecord } from "../../src/index.ts"
import * as Say from "./Say.ts"

/** Makes a machine; where that fails for what may be the host's fault, the cheap checks of the doctor speak as well. */
export const explained =
  (root: string) =>
  <A, E extends { readonly _tag: string; readonly message: string }, R>(acquire: Effect.Effect<A, E, R>) =>
    Effect.catch(acquire, (error: E) =>
      Effect.flatMap(
        Effect.promise(() => import("./Explained.ts")),
        ({ explain }) => explain(root, error)
      )
    )

export const describe = (record: MachineRecord.MachineRecord): string =>
  `image ${record.image}, ${record.backend} backend, ${record.engine} engine${record.boot === "none" ? ", without init" : ""}`

/** What a person should know of a machine that is used all the same. */
export const notes = (record: MachineRecord.MachineRecord) =>
  Effect.gen(function* () {
    const failed = yield* FailedUnits.find(record)
    if (failed.length > 0) yield* Say.note(`note: in the machine, ${failed.join(", ")} failed; it is used all the same`)
    const unenforced = yield* Engine.unenforced(record.limits)
    // The default limit on tasks is ours: nobody asked for it.
    const wanted = unenforced.filter((controller) => controller !== "pids")
    if (wanted.length > 0)
      yield* Say.note(
        `note: this host does not enforce limits of ${wanted.join(" and ")}: no such cgroup v2 controller`
      )
  })
