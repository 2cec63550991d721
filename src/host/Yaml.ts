/** YAML that people write: read, checked against a schema, and every mistake in it named by file, line and key. */
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { type Document, isNode, LineCounter, parseDocument } from "yaml"
import * as Quantity from "./Quantity.ts"

/** A size as people write one; `Quantity.size` of its text is Some. */
export const Size = Schema.Union([Schema.String, Schema.Finite]).pipe(
  Schema.check(
    Schema.makeFilter((text) => Option.isSome(Quantity.size(String(text))), { expected: "a size such as 512M or 4G" })
  )
)

/** A duration as people write one; `Quantity.duration` of its text is Some. */
export const Period = Schema.Union([Schema.String, Schema.Finite]).pipe(
  Schema.check(
    Schema.makeFilter((text) => Option.isSome(Quantity.duration(String(text))), {
      expected: "a duration such as 90s or 5m"
    })
  )
)

/** What those two have seen to be one, or is absent. */
export const sizeOf = (written: string | number | undefined): number | undefined =>
  Option.getOrUndefined(Quantity.size(String(written ?? "")))
export const durationOf = (written: string | number | undefined): Duration.Duration | undefined =>
  Option.getOrUndefined(Quantity.duration(String(written ?? "")))

/** A text that is YAML. What it holds is `value`. */
export interface Parsed {
  readonly file: string
  readonly value: unknown
  readonly document: Document
  readonly lines: LineCounter
}

type Problems = ReadonlyArray<string>

/** Reads a text, or says what is wrong with it as YAML: `file:line: what`. */
export const parse = (file: string, text: string): Result.Result<Parsed, Problems> => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  if (document.errors.length > 0)
    return Result.fail(document.errors.map((error) => `${file}:${lines.linePos(error.pos[0]).line}: ${error.message}`))
  // An alias without its anchor is found only now, and thrown.
  return Result.map(
    Result.try({ try: (): unknown => document.toJS(), catch: (cause) => [`${file}: ${String(cause)}`] }),
    (value) => ({ file, value, document, lines })
  )
}

/**
 * What stands at a place of it, by a schema that knows every key: `file:line: key: what was expected`. Where nothing
 * stands there, `otherwise` does. An unknown key is told the known one that it may have been meant to be.
 */
export const decode = <A, I>(
  parsed: Parsed,
  schema: Schema.Codec<A, I>,
  options: {
    readonly at?: ReadonlyArray<string | number>
    readonly otherwise?: unknown
    readonly keys?: ReadonlyArray<string>
  } = {}
): Result.Result<A, Problems> => {
  const { at = [], keys = [], otherwise } = options
  const found = at.reduce<unknown>((value, key) => valueIn(value, key), parsed.value) ?? otherwise
  const decoded = Schema.decodeUnknownResult(schema, { errors: "all", onExcessProperty: "error" })(found)
  if (Result.isSuccess(decoded)) return Result.succeed(decoded.success)
  const { issues } = SchemaIssue.makeFormatterStandardSchemaV1()(decoded.failure.issue)
  return Result.fail(
    issues.map((issue) => {
      const inner = (issue.path ?? []).map((segment) => String(typeof segment === "object" ? segment.key : segment))
      return problem(parsed, [...at.map(String), ...inner], issue.message, inner.length === 0 ? [] : keys)
    })
  )
}

/** What is wrong at a place of it: `file:line: key: what`, and which of `keys` its key may have been meant to be. */
export const problem = (
  parsed: Parsed,
  path: ReadonlyArray<string>,
  what: string,
  keys: ReadonlyArray<string> = []
): string => {
  const word = path.at(-1) ?? ""
  const meant = nearest(word, keys)
  const hint = meant === undefined || meant === word ? "" : `; did you mean ${meant}?`
  return `${parsed.file}${lineOf(parsed, path)}: ${path.length === 0 ? "the whole file" : path.join(".")}: ${what}${hint}`
}

const lineOf = ({ document, lines }: Parsed, path: ReadonlyArray<string>): string => {
  const node = path.length === 0 ? document.contents : document.getIn(path, true)
  return isNode(node) && node.range ? `:${lines.linePos(node.range[0]).line}` : ""
}

const valueIn = (value: unknown, key: string | number): unknown =>
  typeof value === "object" && value !== null ? Object.getOwnPropertyDescriptor(value, key)?.value : undefined

/** The word that is nearest to one that was written, where it is near enough to be meant. */
export const nearest = (word: string, words: ReadonlyArray<string>): string | undefined => {
  const [best] = words
    .map((each) => ({ each, distance: distance(word, each) }))
    .filter(({ distance: far }) => far <= Math.ceil(word.length / 3))
    .sort((one, other) => one.distance - other.distance)
  return best?.each
}

/** Levenshtein's: how many characters to put in, take out or change. */
const distance = (one: string, other: string): number => {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const change = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
