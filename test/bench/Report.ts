/** The figures as a table for people. */
import type { Figure, Section } from "./Figures.ts"
import type { Show } from "./Shows.ts"

const number = (value: number, { unit }: Figure): string => value.toFixed(unit === "ms" && value < 100 ? 1 : 0)

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

/** Each figure, and its ratio to the first of its section that has the same unit. */
export const report = (sections: ReadonlyArray<Section>, found: ReadonlyArray<Show>): string =>
  [
    ...sections.map(({ figures, title }) => {
      const rows = figures.map((each) => {
        const first = figures.find(({ unit }) => unit === each.unit)
        return [
          each.name,
          `${number(each.median, each)} ${each.unit}`,
          (each.median / (first?.median ?? Number.NaN)).toFixed(2),
          `${number(each.least, each)}–${number(each.most, each)}`,
          String(each.count)
        ]
      })
      return `${title}\n\n${table([["", "median", "ratio", "range", "n"], ...rows])}`
    }),
    table([
      ["What it must show", "ratio", "at most", ""],
      ...found.map(({ bound, holds, ratio, text }) => [text, ratio.toFixed(2), bound.toFixed(2), holds ? "yes" : "NO"])
    ])
  ].join("\n\n")
