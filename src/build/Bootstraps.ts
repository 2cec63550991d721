/** The bootstraps by the key that chooses one in a definition. */
import type * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import type { ImageNotFound } from "../image/Images.ts"
import type { ImageName } from "../record/MachineRecord.ts"
import { type Bootstrap } from "./Bootstrap.ts"
import { clone } from "./bootstrap/Clone.ts"
import { command } from "./bootstrap/Command.ts"
import { debootstrap } from "./bootstrap/Debootstrap.ts"
import { mmdebstrap } from "./bootstrap/Mmdebstrap.ts"
import { oci } from "./bootstrap/Oci.ts"
import { tarball } from "./bootstrap/Tarball.ts"
import type { BootstrapSpec } from "./Definition.ts"

export interface Context {
  /** The definition's folder, absolute: its paths are relative to it. */
  readonly definitionFolder: string
  /** The tree of an image's current generation. */
  generationOf(image: ImageName): Effect.Effect<string, ImageNotFound | PlatformError.PlatformError>
}

/** The bootstrap that a definition asks for. */
export const of = (spec: BootstrapSpec, { definitionFolder, generationOf }: Context): Bootstrap => {
  const absolute = (path: string) => (path.startsWith("/") ? path : `${definitionFolder}/${path}`)
  if (spec.mmdebstrap !== undefined) return mmdebstrap(spec.mmdebstrap)
  if (spec.debootstrap !== undefined) return debootstrap(spec.debootstrap)
  if (spec.tarball !== undefined) {
    const { path, sha256, url } = spec.tarball
    return tarball({ from: url === undefined ? { path: absolute(path ?? ""), sha256 } : { url, sha256: sha256 ?? "" } })
  }
  if (spec.oci !== undefined) return oci({ ...spec.oci, layout: absolute(spec.oci.layout) })
  if (spec.clone !== undefined) return clone({ image: spec.clone, generation: generationOf(spec.clone) })
  return command({ words: spec.command ?? [], folder: definitionFolder })
}
