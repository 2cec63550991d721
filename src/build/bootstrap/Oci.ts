/**
 * A tree from an OCI image layout on disk (image-spec, image-layout.md): its layers, one upon the other.
 *
 * Each blob is checked against its digest before it is read, and each layer is looked through as any archive is. Nothing in a
 * layout is trusted but by the digests, which begin in its index.json.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Files from "../../host/Files.ts"
import * as Host from "../../host/Host.ts"
import * as Text from "../../host/Text.ts"
import * as Tree from "../../host/Tree.ts"
import * as Archive from "../Archive.ts"
import { type Bootstrap, BootstrapFailed } from "../Bootstrap.ts"
import * as Checksum from "../Checksum.ts"

export interface Options {
  /** The folder that has `oci-layout`, `index.json` and `blobs`. */
  readonly layout: string
  /** Which of its images; the only one when absent. */
  readonly tag?: string | undefined
}

const Descriptor = Schema.Struct({
  mediaType: Schema.optionalKey(Schema.String),
  digest: Schema.String,
  size: Schema.Int,
  annotations: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.String))),
  platform: Schema.optionalKey(Schema.Struct({ os: Schema.String, architecture: Schema.String }))
})
export type Descriptor = typeof Descriptor.Type
const Index = Schema.Struct({ manifests: Schema.Array(Descriptor) })
const Manifest = Schema.Struct({ config: Descriptor, layers: Schema.Array(Descriptor) })
const Config = Schema.Struct({ architecture: Schema.optionalKey(Schema.String) })

export const oci = ({ layout, tag }: Options): Bootstrap => {
  const bootstrap = `the OCI image ${tag === undefined ? "" : `${tag} `}in ${layout}`
  const failed = (reason: string, remedy = "make the layout anew, for example with skopeo copy") =>
    new BootstrapFailed({ bootstrap, reason, remedy })

  /** A blob's file, once its content is what its digest says. */
  const blob = ({ digest, size }: Descriptor) =>
    Effect.gen(function* () {
      const [, algorithm, hex = ""] = digestPattern.exec(digest) ?? []
      if (algorithm !== "sha256" && algorithm !== "sha512")
        return yield* failed(`its digest "${Text.brief(digest)}" is of no kind that can be checked`)
      const file = `${layout}/blobs/${algorithm}/${hex}`
      const entry = yield* Files.find(file)
      if (!Option.exists(entry, ({ kind }) => kind === "file")) return yield* failed(`the blob ${digest} is missing`)
      const actual = Option.map(entry, ({ sizeBytes }) => sizeBytes)
      if (!Option.contains(actual, size) || (yield* Checksum.ofFile(algorithm, file)) !== hex)
        return yield* failed(`the blob ${digest} is not what its digest says`)
      return file
    })

  const text = (file: string) =>
    Effect.gen(function* () {
      const entry = yield* Files.find(file)
      if (!Option.exists(entry, ({ kind, sizeBytes }) => kind === "file" && sizeBytes <= mostTextBytes))
        return yield* failed(`${file} is missing, or too large for what it is`)
      return Option.getOrElse(yield* Files.readText(file), () => "")
    })
  const decoded = <A, I>(schema: Schema.Codec<A, I>, file: string) =>
    Effect.flatMap(text(file), (found) =>
      Effect.mapError(Schema.decodeUnknownEffect(Schema.fromJsonString(schema))(found), (error) =>
        failed(`${file} is not as the specification says: ${Text.brief(error.message)}`)
      )
    )

  /** The manifest of the image, through indexes of indexes. */
  const manifest = (
    descriptor: Descriptor,
    depth = 0
  ): Effect.Effect<typeof Manifest.Type, BootstrapFailed | Tree.TreeError> =>
    Effect.gen(function* () {
      const file = yield* blob(descriptor)
      const found = yield* decoded(Schema.Union([Manifest, Index]), file)
      if ("layers" in found) return found
      if (depth >= mostIndexes) return yield* failed("its indexes go deeper than any image needs")
      // The first is the best (image-index.md): what follows are variants of the architecture.
      const next = found.manifests.find(isOurs)
      if (next === undefined) return yield* failed(`it has nothing for linux/${Host.architecture()}`)
      return yield* manifest(next, depth + 1)
    })

  return {
    description: bootstrap,
    fill: (tree, { progress }) =>
      Effect.gen(function* () {
        yield* decoded(Layout, `${layout}/oci-layout`)
        const index = yield* decoded(Index, `${layout}/index.json`)
        const chosen = choose(index.manifests, tag)
        if (typeof chosen === "string") return yield* failed(chosen, "name one of them as the tag")
        const { config, layers } = yield* manifest(chosen)
        const { architecture } = yield* decoded(Config, yield* blob(config))
        if (architecture !== undefined && architecture !== Host.architecture())
          return yield* failed(`it is for ${Text.brief(architecture)}, and this host is ${Host.architecture()}`)
        for (const [position, layer] of layers.entries()) {
          const type = layer.mediaType ?? ""
          if (!layerPattern.test(type)) return yield* failed(`a layer is of an unknown kind, "${Text.brief(type)}"`)
          progress(`layer ${position + 1} of ${layers.length}\n`)
          yield* apply(tree, yield* blob(layer), `layer ${position + 1} of ${bootstrap}`, progress)
        }
      })
  }
}

/** Which of a layout's images is meant; a text says why none is. */
export const choose = (manifests: ReadonlyArray<Descriptor>, tag: string | undefined): Descriptor | string => {
  const named = manifests.filter((found) => tag === undefined || tagOf(found) === tag)
  const [first, ...others] = named.length > 1 ? named.filter(isOurs) : named
  if (first !== undefined && others.length === 0) return first
  const tags = [...new Set(manifests.flatMap((found) => tagOf(found) ?? []))].map(Text.brief).join(", ")
  const has = tags === "" ? "its images have no tags" : `it has ${tags}`
  return first === undefined && tag !== undefined ? `no image has that tag; ${has}` : `which image is not clear; ${has}`
}

const tagOf = ({ annotations }: Descriptor): string | undefined => annotations?.["org.opencontainers.image.ref.name"]

/** Of this host's architecture, as far as it says. */
const isOurs = ({ platform }: Descriptor): boolean =>
  platform === undefined || (platform.os === "linux" && platform.architecture === Host.architecture())

/** Puts one layer upon what is there (image-spec, layer.md). */
const apply = (tree: string, file: string, bootstrap: string, progress: (text: string) => void) =>
  Effect.gen(function* () {
    const known = new Map<string, string | undefined>()
    const linkAt = (path: string) =>
      Effect.gen(function* () {
        if (!known.has(path)) known.set(path, Option.getOrUndefined(yield* Files.readLink(`${tree}/${path}`)))
        return known.get(path)
      })
    const entries = yield* Archive.list(file, tree, bootstrap)
    const isWhiteout = ({ name }: Archive.Entry) => baseOf(name).startsWith(whiteout)
    // First what the layer takes away: it is meant for the layers below alone, wherever it stands (layer.md, whiteouts).
    for (const { name, path } of yield* Archive.place(entries.filter(isWhiteout), bootstrap, linkAt)) {
      const hidden = hiddenBy(baseOf(name))
      if (hidden === undefined)
        return yield* new BootstrapFailed({
          bootstrap,
          reason: `"${Text.brief(name)}" takes away what cannot be named`,
          remedy: "have the image made anew, by another tool"
        })
      const folder = `${tree}/${path}`.replace(/\/[^/]*$/, "")
      if (hidden._tag === "One") yield* Tree.remove(`${folder}/${hidden.name}`)
      if (hidden._tag === "All") for (const each of yield* Files.list(folder)) yield* Tree.remove(`${folder}/${each}`)
    }
    known.clear()
    const rest = entries.filter((entry) => !isWhiteout(entry))
    for (const { kind, path } of yield* Archive.place(rest, bootstrap, linkAt)) {
      // A file in a folder's place takes the whole folder away. tar would not.
      if (kind === "d" || path === "") continue
      if (Option.exists(yield* Files.find(`${tree}/${path}`), (found) => found.kind === "directory"))
        yield* Tree.remove(`${tree}/${path}`)
    }
    yield* Archive.unpack(file, tree, { progress, without: `${whiteout}*` })
  })

/** What a whiteout's name takes away: one entry, all of its folder's, or nothing (what aufs kept for itself). */
export const hiddenBy = (
  base: string
): { readonly _tag: "One"; readonly name: string } | { readonly _tag: "All" | "None" } | undefined => {
  const name = base.slice(whiteout.length)
  if (name === ".wh..opq") return { _tag: "All" }
  if (name.startsWith(".wh.")) return { _tag: "None" }
  // U+FFFD stands for bytes that are no text: which name they are is lost.
  return name === "" || name === "." || name === ".." || name.includes("\uFFFD") ? undefined : { _tag: "One", name }
}

const baseOf = (name: string): string => name.replace(/\/+$/, "").replace(/^.*\//s, "")

const Layout = Schema.Struct({ imageLayoutVersion: Schema.String })
const whiteout = ".wh."
const digestPattern = /^(sha256|sha512):((?:[0-9a-f]{64}){1,2})$/
/** OCI's layers and Docker's, which are the same: tar, as it is or compressed. */
const layerPattern =
  /^application\/vnd\.(oci\.image\.layer\.(nondistributable\.)?v1\.tar|docker\.image\.rootfs\.diff\.tar)([.+](gzip|zstd))?$/
/** As much as registries take for a manifest. */
const mostTextBytes = 4_194_304
const mostIndexes = 3
