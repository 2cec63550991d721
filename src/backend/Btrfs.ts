/** A writable snapshot of the generation's subvolume: the cost does not depend on the image's size. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Files from "../host/Files.ts"
import * as Tree from "../host/Tree.ts"
import { treeOf } from "../record/MachineRecord.ts"
import type { Backend } from "./Backend.ts"

export const btrfs: Backend = {
  name: "btrfs",
  unfit: ({ generation, root }) =>
    Effect.gen(function* () {
      if ((yield* Files.fileSystem(root)).magic !== Tree.magic.btrfs) return Option.some(`${root} is not on btrfs`)
      if (!(yield* Tree.isSubvolume(generation))) return Option.some(`${generation} is a plain folder, not a subvolume`)
      return Option.none()
    }),
  ownership: () => Effect.succeed("map"),
  make: (record) => Tree.snapshot(record.generation, treeOf(record)),
  unmake: (record) => Tree.remove(treeOf(record))
}
