/** The generations of an image by name: when each was committed, what is noted of it, which go first. */
import * as Schema from "effect/Schema"

/** A generation is called by the moment of its commit: `20261125221600123`. */
export const stampOf = (ms: number): string => new Date(ms).toISOString().replaceAll(/[^0-9]/g, "")

export const isStamp = (name: string): boolean => /^\d{17}$/.test(name)

/** What a generation is called: its stamp, or a plain folder's name. */
export const nameOf = (generation: string): string => generation.slice(generation.lastIndexOf("/") + 1)

/** The moment of a generation's commit; undefined where its path has none. */
export const momentOf = (path: string): number | undefined => {
  const found = /\/(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})$/.exec(path)
  if (found === null) return undefined
  const [, year, month, day, hour, minute, second, ms] = found
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`)
}

/** What is written down of a generation, which its tree does not say. */
export const Notes = Schema.Struct({
  bornMs: Schema.Number,
  sizeBytes: Schema.Number,
  /** The stamp of the one that was the image until then. */
  before: Schema.optionalKey(Schema.String)
})
export type Notes = typeof Notes.Type

export const decodeNotes = Schema.decodeUnknownOption(Schema.fromJsonString(Notes))

/**
 * The generations beside the current one, those that are kept longest first: the newest, but after all others those that
 * the current one has left behind, which had been rolled back from when what followed was committed.
 */
export const byWorth = (
  current: string,
  others: ReadonlyArray<string>,
  beforeOf: (stamp: string) => string | undefined
): ReadonlyArray<string> => {
  const line = new Set<string>()
  for (let next = beforeOf(current); next !== undefined && !line.has(next); next = beforeOf(next)) line.add(next)
  const newest = [...others].sort().reverse()
  // Without a word of what was before, all that is older was.
  const isLeft = (stamp: string) => stamp < current && !line.has(stamp) && [...line].some((each) => each < stamp)
  return [...newest.filter((stamp) => !isLeft(stamp)), ...newest.filter(isLeft)]
}
