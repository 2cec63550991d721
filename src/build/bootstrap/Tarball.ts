/** A tree from an archive that tar(1) knows, here or on the net. */
import * as Effect from "effect/Effect"
import * as Digest from "../../host/Digest.ts"
import * as Files from "../../host/Files.ts"
import * as Tool from "../../host/Tool.ts"
import * as Archive from "../Archive.ts"
import { type Bootstrap, BootstrapFailed, type Options as FillOptions } from "../Bootstrap.ts"
import * as Checksum from "../Checksum.ts"

export interface Options {
  readonly from:
    | { readonly path: string; readonly sha256?: string | undefined }
    | { readonly url: string; readonly sha256: string }
}

export const tarball = ({ from }: Options): Bootstrap => {
  const source = "url" in from ? from.url : from.path
  const description = `the archive ${source}`
  const unpack = (file: string, tree: string, { progress }: FillOptions) =>
    Effect.gen(function* () {
      if (from.sha256 !== undefined) {
        progress(`checking ${source}\n`)
        const sha256 = yield* Checksum.ofFile("sha256", file)
        if (sha256 !== from.sha256)
          return yield* new BootstrapFailed({
            bootstrap: description,
            reason: `its SHA-256 checksum is ${sha256}, and shall be ${from.sha256}`,
            remedy: "if the archive changed for a reason that you know, write its new checksum into the definition"
          })
      }
      progress(`looking through ${source}\n`)
      const entries = yield* Archive.list(file, tree, description)
      yield* Archive.place(entries, description, () => Effect.succeed(undefined))
      progress(`unpacking ${source}\n`)
      yield* Archive.unpack(file, tree, { progress })
    })
  return {
    description,
    fill: (tree, options) =>
      "path" in from
        ? Effect.gen(function* () {
            if (!(yield* Files.exists(from.path)))
              return yield* new BootstrapFailed({
                bootstrap: description,
                reason: "there is no such file",
                remedy: "correct its path, which is relative to the definition's folder"
              })
            yield* unpack(from.path, tree, options)
          })
        : Effect.scoped(
            Effect.gen(function* () {
              // In the tree itself: there is room for it, and nobody takes it for left behind while it is in use.
              const file = yield* Effect.acquireRelease(
                Effect.sync(() => `${tree}/.redd-${Digest.freshMachineId()}`),
                (path) => Effect.ignore(Files.remove(path))
              )
              yield* fetch(from.url, file, options)
              yield* unpack(file, tree, options)
            })
          )
  }
}

/** curl(1): what the url leads to, tried again where the net was at fault. */
const fetch = (url: string, file: string, { environment, progress }: FillOptions) => {
  const args = ["--fail", "--location", "--globoff", "--retry", "3", "--output", file, "--url", url]
  return Tool.run("curl", args, { environment, progress })
}
