/** A shell in an image itself, for a person: what is changed there, every machine made from now on has. */
import * as Effect from "effect/Effect"
import * as Tool from "../host/Tool.ts"
import type * as Tree from "../host/Tree.ts"
import { type ImageInUse, type ImageNotFound, Images } from "../image/Images.ts"

/** An interactive shell of root in the image's tree, on our own terminal. Refused while machines run on it. Returns its exit code. */
export const inPlace = (name: string): Effect.Effect<number, ImageNotFound | ImageInUse | Tree.TreeError, Images> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { generation } = yield* (yield* Images).hold(name)
      return yield* Tool.attach("systemd-nspawn", [
        "--settings=no",
        "--quiet",
        "--register=no",
        `--directory=${generation}`,
        "--resolv-conf=copy-host"
      ])
    })
  )
