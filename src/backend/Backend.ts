/**
 * How a machine's root is made from a generation.
 *
 * A backend makes `MachineRecord.treeOf(record)` from `record.generation`, writable, without changing the generation,
 * and takes it away again whatever happened to it in between. Whether a host can do it is found out by doing it once on
 * a scrap, never by version numbers. What a backend makes beside the tree lies in the machine's folder.
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import type * as Lock from "../host/Lock.ts"
import type * as Tree from "../host/Tree.ts"
import type { BackendName, Isolation, MachineRecord } from "../record/MachineRecord.ts"

export type BackendError = Tree.TreeError

/** What a machine would be made of, before it is chosen how. */
export interface Proposal {
  readonly root: string
  readonly generation: string
  readonly isolation: Isolation
}

export interface Backend {
  readonly name: BackendName
  /** Why this backend cannot serve the proposal on this host; None when it can. */
  unfit(proposal: Proposal): Effect.Effect<Option.Option<string>, Lock.LockHeld | BackendError>
  /** How the tree's files come to belong to the machine's range. */
  ownership(proposal: Proposal): Effect.Effect<MachineRecord["ownership"], PlatformError.PlatformError>
  /** Makes the tree. May find what an earlier, killed call left half done only after `undo`. */
  make(record: MachineRecord): Effect.Effect<void, BackendError>
  /** Takes the tree away. Absent is a success. */
  unmake(record: MachineRecord): Effect.Effect<void, BackendError>
}
