/** The backends by the name that a record holds, and which one fits. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Lock from "../host/Lock.ts"
import type { BackendName, MachineRecord } from "../record/MachineRecord.ts"
import type { Backend, BackendError, Proposal } from "./Backend.ts"
import { btrfs } from "./Btrfs.ts"
import { copy, reflink } from "./Copy.ts"
import { overlay, tmpfs } from "./Overlay.ts"

/** A backend was asked for by name, and this host cannot do it. */
export class BackendUnfit extends Schema.TaggedError<BackendUnfit>()("BackendUnfit", {
  backend: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `The backend ${this.backend} does not work here: ${this.reason}.`
  }
  get hint(): string {
    return "choose --backend auto, or make a file system that can with redd setup --pool 20G"
  }
}

const byName: Readonly<Record<BackendName, Backend>> = { btrfs, overlay, reflink, copy, tmpfs }

/** The backend that made this machine's root, whatever would be chosen today. */
export const of = (record: Pick<MachineRecord, "backend">): Backend => byName[record.backend]

/** Best first. `tmpfs` is for who asks for it: it spends memory. */
export const preference: ReadonlyArray<Backend> = [btrfs, overlay, reflink, copy]

/** Those whose root is a tree of its own, which can become a generation. */
export const flat: ReadonlyArray<Backend> = [btrfs, reflink, copy]

/** The backend of this name, with `auto` the best one that fits, with `flat` the best of those. */
export const choose = (
  wanted: BackendName | "auto" | "flat",
  proposal: Proposal
): Effect.Effect<Backend, BackendUnfit | Lock.LockHeld | BackendError> =>
  Effect.gen(function* () {
    for (const backend of wanted === "auto" ? preference : wanted === "flat" ? flat : [byName[wanted]]) {
      const reason = yield* backend.unfit(proposal)
      if (Option.isNone(reason)) return backend
      if (wanted !== "auto" && wanted !== "flat")
        return yield* new BackendUnfit({ backend: wanted, reason: reason.value })
      yield* Effect.logDebug(`backend ${backend.name} does not fit: ${reason.value}`)
    }
    return copy
  })
