/** What the images lack. Their trees may come from anywhere: links in them are followed as they would be inside. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Files from "../host/Files.ts"
import * as Tree from "../host/Tree.ts"
import type { Image } from "../image/Images.ts"
import { type Finding, failed, ok, warning } from "./Finding.ts"

export interface ImageFacts {
  readonly name: string
  /** A /usr and a /bin/sh: less is no root tree. */
  readonly usable: boolean
  readonly init: boolean
  readonly bus: boolean
  readonly osRelease: boolean
  /** A plain folder on btrfs, which cannot be snapshot. */
  readonly plain: boolean
}

/** A finding for the images, and one for each that lacks something. */
export const images = (facts: ReadonlyArray<ImageFacts>): ReadonlyArray<Finding> => {
  if (facts.length === 0) return [failed("images", "there are none", "redd image create trixie --suite trixie")]
  const names = facts.map(({ name }) => name).join(", ")
  const some = facts.some((image) => image.usable && (image.osRelease || !image.init))
  return [
    some ? ok("images", names) : failed("images", `none of these can be used: ${names}`, "redd image create"),
    ...facts.flatMap((image) => {
      const lacks = lacksOf(image)
      return lacks === undefined ? [] : [warning(`image ${image.name}`, ...lacks)]
    })
  ]
}

export const read = (
  list: ReadonlyArray<Image>
): Effect.Effect<ReadonlyArray<ImageFacts>, PlatformError.PlatformError> =>
  Effect.forEach(list, ({ generation, name }) =>
    Effect.gen(function* () {
      const has = (...paths: ReadonlyArray<string>) =>
        Effect.map(
          Effect.forEach(paths, (path) => Tree.resolve(generation, path)),
          (found) => found.some(Option.isSome)
        )
      const init = yield* Tree.resolve(generation, "sbin/init")
      const onBtrfs = (yield* Files.fileSystem(generation)).magic === Tree.magic.btrfs
      return {
        name,
        usable: (yield* has("usr")) && (yield* has("bin/sh")),
        init: Option.exists(init, (path) => path.endsWith("/systemd")),
        bus: yield* has("usr/bin/dbus-daemon", "usr/bin/dbus-broker"),
        osRelease: yield* has("etc/os-release", "usr/lib/os-release"),
        plain: onBtrfs && !(yield* Tree.isSubvolume(generation))
      }
    })
  )

/** The worst thing that an image lacks, and what to do. */
const lacksOf = (image: ImageFacts): readonly [message: string, remedy: string] | undefined => {
  if (!image.usable) return ["is no root tree: it has no /usr or no /bin/sh", `redd image remove ${image.name}`]
  // systemd-nspawn --boot refuses it (systemd-nspawn(1)).
  if (image.init && !image.osRelease)
    return ["cannot boot: it has no os-release", "redd prepare --boot none, or write /usr/lib/os-release in it"]
  if (image.plain)
    return ["is a plain folder, not a subvolume: it cannot be snapshot", "make it anew: redd image create"]
  if (!image.init)
    return ["has no systemd as its /sbin/init: it runs without an init", "redd image create --include systemd-sysv"]
  if (!image.bus)
    return ["has no D-Bus: loginctl, hostnamectl and redd shell do not work in it", "redd image create --include dbus"]
  return undefined
}
