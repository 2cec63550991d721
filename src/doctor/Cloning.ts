/** How a machine's root will be made here, and why not in a better way. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { BackendError, Proposal } from "../backend/Backend.ts"
import * as Backends from "../backend/Backends.ts"
import * as Files from "../host/Files.ts"
import type * as Lock from "../host/Lock.ts"
import * as Tree from "../host/Tree.ts"
import type { BackendName } from "../record/MachineRecord.ts"
import { type Finding, failed, ok, warning } from "./Finding.ts"

export interface CloningFacts {
  /** The file system's name, as far as Redd knows it. */
  readonly fileSystem: string
  /** The backend that will be used; None where the one that was asked for does not fit. */
  readonly chosen: Option.Option<BackendName>
  /** Why each better one, or the one that was asked for, is not used: `overlay: …`. */
  readonly reasons: ReadonlyArray<string>
}

/** The decision. */
export const cloning = ({ chosen, fileSystem, reasons }: CloningFacts): Finding => {
  const why = reasons.length === 0 ? "" : ` (${reasons.join("; ")})`
  if (Option.isNone(chosen)) {
    return failed("backend", `the one that is configured does not fit${why}`, "set backend: auto in the configuration")
  }
  if (chosen.value !== "copy") return ok("backend", `${chosen.value} on ${fileSystem}${why}`)
  return warning(
    "backend",
    `copy on ${fileSystem}: every machine copies its whole image${why}`,
    "redd setup --pool 20G"
  )
}

/** Tries what has not been tried since the host booted: `Attempt.once` mounts and copies a scrap. */
export const read = (
  wanted: BackendName | "auto",
  proposal: Proposal,
  hasImages: boolean
): Effect.Effect<CloningFacts, Lock.LockHeld | BackendError> =>
  Effect.gen(function* () {
    const { magic } = yield* Files.fileSystem(proposal.root)
    const fileSystem = nameOf(magic)
    const reasons: Array<string> = []
    for (const backend of wanted === "auto" ? Backends.preference : [Backends.of({ backend: wanted })]) {
      const reason = yield* backend.unfit(proposal)
      // Without an image there is no tree that could be no subvolume.
      const fits = Option.isNone(reason) || (!hasImages && backend.name === "btrfs" && fileSystem === "btrfs")
      if (fits) return { fileSystem, chosen: Option.some(backend.name), reasons }
      reasons.push(`${backend.name}: ${reason.value}`)
    }
    return { fileSystem, chosen: Option.none(), reasons }
  })

const nameOf = (magic: number): string =>
  Object.entries(Tree.magic).find(([, known]) => known === magic)?.[0] ?? `a file system of type ${magic.toString(16)}`
