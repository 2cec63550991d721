/** A Debian, or what derives from it, by debootstrap(8): where mmdebstrap is not to be had. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tool from "../../host/Tool.ts"
import type { Bootstrap } from "../Bootstrap.ts"
import { type Debian, debianArguments } from "../Debian.ts"

export const debootstrap = (options: Debian): Bootstrap => ({
  description: `debootstrap of ${options.suite}`,
  fill: (tree, { environment, progress }) =>
    Effect.gen(function* () {
      yield* Tool.ensure("debootstrap")
      // The tree is thrown away where this fails: to wait for the disk after each package, as dpkg does, is for nothing.
      const hasty = Option.isSome(yield* Tool.find("eatmydata"))
      const [tool = "", ...args] = [...(hasty ? ["eatmydata"] : []), "debootstrap", ...debianArguments(options, tree)]
      // It mounts /proc in the tree, and what it starts outlives it.
      yield* Tool.run(tool, args, { environment, progress, enclosed: true })
    })
})
