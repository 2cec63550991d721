/** An image made from nothing: stage, bootstrap, commit. A failure or a kill on the way leaves no image. */
import * as Effect from "effect/Effect"
import { type Image, ImageExists, type ImageInUse, Images } from "../image/Images.ts"
import type * as Tree from "../host/Tree.ts"
import type { ImageName } from "../record/MachineRecord.ts"
import type { Bootstrap } from "./Bootstrap.ts"

export const create = (
  name: ImageName,
  bootstrap: Bootstrap,
  progress: (text: string) => void
): Effect.Effect<Image, ImageExists | ImageInUse | Tree.TreeError, Images> =>
  Effect.scoped(
    Effect.gen(function* () {
      const images = yield* Images
      const staged = yield* images.stage(name)
      if ((yield* images.list).some((image) => image.name === name)) return yield* new ImageExists({ image: name })
      yield* bootstrap.fill(staged, progress)
      return yield* images.commit(name, staged)
    })
  )
