/** A copy of the generation: sharing its blocks where the file system can (`reflink`: btrfs, xfs), whole otherwise (`copy`). */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Files from "../host/Files.ts"
import * as Tree from "../host/Tree.ts"
import { treeOf } from "../record/MachineRecord.ts"
import * as Attempt from "./Attempt.ts"
import type { Backend, Proposal } from "./Backend.ts"

export const reflink: Backend = {
  name: "reflink",
  unfit: ({ root }) =>
    Attempt.once(root, "reflink", (scrap) =>
      Files.create(`${scrap}/file`, "a block to share", { mode: 0o600 }).pipe(
        Effect.andThen(Tree.copy(`${scrap}/file`, `${scrap}/copy`, "always")),
        Effect.as(Option.none<string>()),
        Effect.catchTag("ToolFailed", () =>
          Effect.succeed(Option.some(`the file system of ${root} cannot share blocks between files`))
        )
      )
    ),
  ownership: (proposal) => ownership(proposal),
  make: (record) => Tree.copy(record.generation, treeOf(record), "always"),
  unmake: (record) => Tree.remove(treeOf(record))
}

export const copy: Backend = {
  name: "copy",
  unfit: () => Effect.succeed(Option.none()),
  ownership: (proposal) => ownership(proposal),
  make: (record) => Tree.copy(record.generation, treeOf(record), "auto"),
  unmake: (record) => Tree.remove(treeOf(record))
}

/** ID-mapped where the file system can be; else systemd-nspawn changes the owner of each file. */
const ownership = ({ root }: Proposal) =>
  Effect.map(Tree.isMappable(root), (mappable) => (mappable ? ("map" as const) : ("chown" as const)))
