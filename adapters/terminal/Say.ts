/** Results on standard output, everything else on standard error. */
import * as Effect from "effect/Effect"
import { Descriptor, Text } from "../../src/index.ts"

const encoder = new TextEncoder()

/** A line of the result. A reader that went away (`| head`) is no failure of ours. */
export const result = (line: string): Effect.Effect<void> =>
  Effect.ignore(Descriptor.write(1, encoder.encode(`${line}\n`)))

/** A line for the person who looks on. */
export const note = (line: string): Effect.Effect<void> =>
  Effect.ignore(Descriptor.write(2, encoder.encode(`${line}\n`)))

/** A way for callbacks to write on standard error: in the order of the calls, and all of it once `flushed` is done. */
export const inOrder: Effect.Effect<{ readonly write: (text: string) => void; readonly flushed: Effect.Effect<void> }> =
  Effect.sync(() => {
    let written = Promise.resolve()
    return {
      write: (text) => {
        written = written.then(() => Effect.runPromise(Effect.ignore(Descriptor.write(2, encoder.encode(text)))))
      },
      flushed: Effect.suspend(() => Effect.promise(() => written))
    }
  })

/** Rows under headings, each column as wide as its widest cell. */
export const table = (
  headings: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): Effect.Effect<void> => {
  const all = [headings, ...rows.map((row) => row.map((cell) => Text.printable(cell).replaceAll("\n", " ")))]
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return Effect.forEach(
    all,
    (row) =>
      result(
        row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()
      ),
    { discard: true }
  )
}
