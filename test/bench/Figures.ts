/** What a benchmark finds: figures under a title. */

/** Many measurements of one thing, or a single one. */
export interface Figure {
  readonly name: string
  readonly unit: "ms" | "MB" | "MB/s" | "machines"
  readonly median: number
  readonly least: number
  readonly most: number
  readonly count: number
}

export interface Section {
  readonly title: string
  readonly figures: ReadonlyArray<Figure>
}

/** The figure of these measurements. */
export const figure = (name: string, unit: Figure["unit"], measured: ReadonlyArray<number>): Figure => {
  const sorted = [...measured].sort((a, b) => a - b)
  const at = (index: number) => sorted[index] ?? Number.NaN
  const half = sorted.length >> 1
  return {
    name,
    unit,
    median: sorted.length % 2 === 1 ? at(half) : (at(half - 1) + at(half)) / 2,
    least: at(0),
    most: at(sorted.length - 1),
    count: sorted.length
  }
}
