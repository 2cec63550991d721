/**
 * Parameters of the kernel that are one number each (sysctl(8)), by their dotted name: read, and raised.
 *
 * Only ever upwards: who set a larger value knew why, and a smaller one takes something from processes that run.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Files from "./Files.ts"

/** Where raised values are kept for the next boot (sysctl.d(5)). */
export const keptIn = "/etc/sysctl.d/60-redd.conf"

/** The value now; None where this kernel has no such parameter, or it is not a number. */
export const read = (name: string): Effect.Effect<Option.Option<number>, PlatformError.PlatformError> =>
  Effect.map(Files.readText(fileOf(name)), (text) =>
    Option.map(
      Option.filter(text, (found) => /^\d+\s*$/.test(found)),
      Number
    )
  )

/** Raises the value of now and the kept one. False where both were that large already. */
export const raise = (name: string, value: number): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const now = Option.getOrElse(yield* read(name), () => 0)
    if (now < value) yield* Files.writeInto(fileOf(name), String(value))
    const text = Option.getOrElse(yield* Files.readText(keptIn), () => "")
    const kept = keep(text, name, value)
    if (kept !== text) {
      yield* Files.makeFolder(keptIn.slice(0, keptIn.lastIndexOf("/")))
      yield* Files.replace(keptIn, kept)
      yield* Files.setMode(keptIn, 0o644)
    }
    return now < value || kept !== text
  })

/** The text of a file of sysctl.d with this value in it, unless a larger one is; all else as it was. */
export const keep = (text: string, name: string, value: number): string => {
  const lines = text.split("\n").filter((line, index, all) => line !== "" || index < all.length - 1)
  // Both `a.b` and `a/b` name a parameter there, and a leading `-` forgives a failure.
  const values = lines.map((line) => {
    const [key = "", found = ""] = line.split("=").map((part) => part.trim())
    return key.replace(/^-/, "").replaceAll("/", ".") === name ? Number(found) : undefined
  })
  if (values.some((found) => found !== undefined && found >= value)) return text
  const others = lines.filter((_, index) => values[index] === undefined)
  return `${[...others, `${name} = ${value}`].join("\n")}\n`
}

const fileOf = (name: string) => `/proc/sys/${name.replaceAll(".", "/")}`
