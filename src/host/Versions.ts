/** Versions of what Redd stands on, as each says of itself; None where it is not installed or says something else. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Files from "./Files.ts"
import * as Tool from "./Tool.ts"

/** Major and minor. */
export type Version = readonly [number, number]

/** systemd-nspawn's: `systemd 257 (257.9-1~deb13u1)`. */
export const systemd: Effect.Effect<Option.Option<Version>> = Effect.suspend(() =>
  said("systemd-nspawn", /^systemd (\d+)()/)
)

/** mount(8)'s: `mount from util-linux 2.41 (libmount 2.41.0: …)`. */
export const utilLinux: Effect.Effect<Option.Option<Version>> = Effect.suspend(() =>
  said("mount", /util-linux (\d+)\.(\d+)/)
)

/** The kernel's: `6.12.48+deb13-amd64`. */
export const kernel: Effect.Effect<Option.Option<Version>, PlatformError.PlatformError> = Effect.map(
  Files.readText("/proc/sys/kernel/osrelease"),
  Option.flatMap((text) => find(text, /^(\d+)\.(\d+)/))
)

/** True where `version` is `least` or later. */
export const isAtLeast = (version: Version, least: Version): boolean =>
  version[0] > least[0] || (version[0] === least[0] && version[1] >= least[1])

const said = (tool: string, pattern: RegExp): Effect.Effect<Option.Option<Version>> =>
  Tool.run(tool, ["--version"]).pipe(
    Effect.map((text) => find(text, pattern)),
    Effect.orElseSucceed(() => Option.none<Version>())
  )

const find = (text: string, pattern: RegExp): Option.Option<Version> => {
  const found = pattern.exec(text)
  return found === null ? Option.none() : Option.some([Number(found[1]), Number(found[2])])
}
