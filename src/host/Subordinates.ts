/** Ranges of ids that this host has given to users of its own (subuid(5)). */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Files from "./Files.ts"

/** First, and one past the last. */
export type Span = readonly [number, number]

/** The ranges of /etc/subuid; none where there is no such file. */
export const read: Effect.Effect<ReadonlyArray<Span>, PlatformError.PlatformError> = Effect.map(
  Files.readText("/etc/subuid"),
  (text) => parse(Option.getOrElse(text, () => ""))
)

/** `name:first:count` lines; what is none is passed over. */
export const parse = (text: string): ReadonlyArray<Span> =>
  text.split("\n").flatMap((line) => {
    const found = /^[^:]*:(\d+):(\d+)$/.exec(line.trim())
    return found === null ? [] : [[Number(found[1]), Number(found[1]) + Number(found[2])] as const]
  })
