/** A tree from another image's current generation: of no size on btrfs, and as cheap as the file system can elsewhere. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Tree from "../../host/Tree.ts"
import type { ImageNotFound } from "../../image/Images.ts"
import { type Bootstrap, BootstrapFailed } from "../Bootstrap.ts"

export interface Options {
  readonly image: string
  /** The tree of its current generation, asked for when the clone is made. */
  readonly generation: Effect.Effect<string, ImageNotFound | PlatformError.PlatformError>
}

export const clone = ({ generation, image }: Options): Bootstrap => {
  const bootstrap = `a clone of ${image}`
  return {
    description: bootstrap,
    fill: (tree) =>
      Effect.gen(function* () {
        const from = yield* Effect.catchTag(generation, "ImageNotFound", (error) =>
          Effect.fail(
            new BootstrapFailed({ bootstrap, reason: `there is no image "${error.image}"`, remedy: error.hint })
          )
        )
        if ((yield* Tree.isSubvolume(from)) && (yield* Tree.isSubvolume(tree))) {
          yield* Tree.remove(tree)
          const snapshot = yield* Effect.option(Tree.snapshot(from, tree))
          if (Option.isSome(snapshot)) return
          // The two are on different file systems (EXDEV).
          yield* Tree.make(tree, tree.slice(0, tree.lastIndexOf("/")))
        }
        // Into the tree as it is: on btrfs it stays a subvolume, and the next clone costs nothing.
        yield* Tree.copy(from, tree, "auto")
      })
  }
}
