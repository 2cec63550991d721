/**
 * A signage box: the folder that is watched, what plays which media, and how players live. One YAML file.
 *
 * A mistake is named by file, line and key before anything plays.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Files from "../host/Files.ts"
import * as Yaml from "../host/Yaml.ts"
import * as Inhibitor from "./Inhibitor.ts"
import * as Media from "./Media.ts"
import * as Restart from "./Restart.ts"

/** A signage file cannot be used. */
export class SignageInvalid extends Schema.TaggedError<SignageInvalid>()("SignageInvalid", {
  file: Schema.String,
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `The signage file is not valid. ${this.problems.join("; ")}`
  }
  get hint(): string {
    return `correct ${this.file}; docs/guides/signage.md has every key`
  }
}

const pattern = (form: RegExp, expected: string) =>
  Schema.String.pipe(Schema.check(Schema.isPattern(form, { expected })))

/** What YAML takes for a number is a word, too: `[feh, --slideshow-delay, 8]`. */
const Word = Schema.Union([Schema.String, Schema.Finite])

const msOf = (written: string | number) => Duration.toMillis(Yaml.durationOf(written) ?? Duration.infinity)

/** A duration within bounds: a disk is not looked at all the time, and a box that looks once a week shows old media. */
const periodWithin = (least: string, most: string) =>
  Word.pipe(
    Schema.check(
      Schema.makeFilter((written) => msOf(written) >= msOf(least) && msOf(written) <= msOf(most), {
        expected: `a duration from ${least} to ${most}, such as 90s or 5m`
      })
    )
  )

/** A map whose keys have a form. */
const mapOf = <V extends Schema.Top>(form: RegExp, expected: string, values: V) =>
  Schema.Record(Schema.String, values).pipe(
    Schema.check(
      Schema.makeFilter((map) =>
        Object.keys(map)
          .filter((key) => !form.test(key))
          .map((key) => ({ path: [key], issue: `expected ${expected} as a key` }))
      )
    )
  )

const typeName = /^[a-z][a-z0-9-]*$/
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/
const commandThat = (mistake: (words: ReadonlyArray<string>) => string | undefined) =>
  Schema.Array(Word).pipe(Schema.check(Schema.makeFilter((words) => mistake(words.map(String)))))
const Command = commandThat(Media.mistake)
const Fallback = commandThat(Media.mistakeOfFallback)
const Extension = pattern(/^(\*|[^./\0A-Z]+)$/, "an extension in small letters without its dot, such as pdf, or *")

const Limits = Schema.Struct({
  memory: Schema.optionalKey(Yaml.Size),
  cpus: Schema.optionalKey(Schema.Finite.pipe(Schema.check(Schema.isGreaterThan(0)))),
  tasks: Schema.optionalKey(Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0))))
})

/** The keys of the file. */
export const File = Schema.Struct({
  path: pattern(/^\/[^\0]*$/, "an absolute path"),
  players: mapOf(typeName, "the name of a type, in small letters", Command),
  types: Schema.optionalKey(mapOf(typeName, "the name of a type, in small letters", Schema.Array(Extension))),
  fallback: Schema.optionalKey(Fallback),
  settle: Schema.optionalKey(periodWithin("0s", "1h")),
  poll: Schema.optionalKey(periodWithin("100ms", "1d")),
  control: Schema.optionalKey(
    Schema.Union([
      pattern(/^(?![.-])[^/\0]{1,255}$/, "the name of a file that is not hidden, without slashes"),
      Schema.Literal(false)
    ])
  ),
  restart: Schema.optionalKey(Restart.Policy),
  grace: Schema.optionalKey(periodWithin("0s", "1h")),
  inhibit: Schema.optionalKey(Schema.Array(Inhibitor.What)),
  environment: Schema.optionalKey(mapOf(variableName, "the name of a variable", Word)),
  limits: Schema.optionalKey(Limits)
})

export interface Signage {
  /** The folder of the media, absolute. */
  readonly path: string
  readonly players: ReadonlyArray<Media.Player>
  /** What plays where there is nothing to play; undefined: nothing does. */
  readonly fallback: ReadonlyArray<string> | undefined
  /** How long the media must have stayed as they are before they play. */
  readonly settle: Duration.Duration
  /** How often they are looked at where nothing tells of a change. */
  readonly poll: Duration.Duration
  /** The name of the file whose removal asks for another look; undefined: there is none. */
  readonly control: string | undefined
  /** What becomes of a player that ends by itself. */
  readonly restart: Restart.Policy
  /** From SIGTERM to SIGKILL. */
  readonly grace: Duration.Duration
  readonly inhibit: ReadonlyArray<Inhibitor.What>
  readonly environment: Readonly<Record<string, string>>
  readonly limits: {
    readonly memoryBytes: number | undefined
    readonly cpus: number | undefined
    readonly tasks: number | undefined
  }
}

/** What holds where a file says nothing else. */
export const defaults = {
  fallback: undefined,
  settle: Duration.seconds(1),
  poll: Duration.seconds(5),
  control: "remove-when-done",
  restart: "always",
  grace: Duration.seconds(5),
  inhibit: [],
  environment: {},
  limits: { memoryBytes: undefined, cpus: undefined, tasks: undefined }
} satisfies Omit<Signage, "path" | "players">

/** One command for whatever is in a folder, without a file. */
export const plain = (path: string, command: ReadonlyArray<string>): Result.Result<Signage, string> => {
  const mistake = Media.mistake(command)
  if (mistake !== undefined) return Result.fail(mistake)
  const player = { type: "any", extensions: [Media.anyExtension], command }
  return Result.succeed({ ...defaults, path: Files.absolute(path), players: [player] })
}

/** The signage in a text, or what is wrong with it: `file:line: key: what was expected`. */
export const parse = (file: string, text: string): Result.Result<Signage, ReadonlyArray<string>> =>
  Result.gen(function* () {
    const parsed = yield* Yaml.parse(file, text)
    const written = yield* Yaml.decode(parsed, File, { otherwise: {}, keys })
    const types = { ...Media.types, ...written.types }
    const problems = [...typeProblems(parsed, written, types)]
    if (problems.length > 0) return yield* Result.fail(problems)
    return {
      path: Files.absolute(written.path),
      players: Object.entries(written.players).map(([type, command]) => ({
        type,
        extensions: types[type] ?? [],
        command: command.map(String)
      })),
      fallback: written.fallback?.map(String),
      settle: Yaml.durationOf(written.settle) ?? defaults.settle,
      poll: Yaml.durationOf(written.poll) ?? defaults.poll,
      control: written.control === false ? undefined : (written.control ?? defaults.control),
      restart: written.restart ?? defaults.restart,
      grace: Yaml.durationOf(written.grace) ?? defaults.grace,
      inhibit: written.inhibit ?? defaults.inhibit,
      environment: Object.fromEntries(
        Object.entries(written.environment ?? defaults.environment).map(([name, value]) => [name, String(value)])
      ),
      limits: {
        memoryBytes: Yaml.sizeOf(written.limits?.memory),
        cpus: written.limits?.cpus,
        tasks: written.limits?.tasks
      }
    }
  })

/** The signage in a file. */
export const read = (file: string): Effect.Effect<Signage, SignageInvalid> =>
  Effect.gen(function* () {
    const invalid = (problems: ReadonlyArray<string>) => new SignageInvalid({ file, problems })
    const text = yield* Effect.mapError(Files.readText(file), (error) => invalid([`${file}: ${Files.explain(error)}`]))
    if (Option.isNone(text)) return yield* invalid([`${file}: there is no such file`])
    return yield* Effect.mapError(Effect.fromResult(parse(file, text.value)), invalid)
  })

/** Every key that there is, and the types that are known. */
const keys = [...Object.keys(File.fields), ...Object.keys(Limits.fields), ...Object.keys(Media.types)]

/** What no schema sees: a player for no type, a type without a player, an extension that two players would be for. */
const typeProblems = (
  parsed: Yaml.Parsed,
  { players, types: own = {} }: typeof File.Type,
  types: Readonly<Record<string, ReadonlyArray<string>>>
): ReadonlyArray<string> => {
  const names = Object.keys(types)
  const played = Object.keys(players)
  if (played.length === 0) return [Yaml.problem(parsed, ["players"], "expected a player for one type at least")]
  const extensions = played.flatMap((type) => (types[type] ?? []).map((extension) => ({ type, extension })))
  const twice = extensions.filter(
    ({ extension }, at) => extensions.findIndex((each) => each.extension === extension) < at
  )
  return [
    ...played
      .filter((type) => !names.includes(type))
      .map((type) =>
        Yaml.problem(parsed, ["players", type], `there is no such type: ${names.join(", ")}; types: adds more`, names)
      ),
    ...Object.keys(own)
      .filter((type) => !played.includes(type))
      .map((type) => Yaml.problem(parsed, ["types", type], "expected a player for it under players", played)),
    ...twice.map(({ extension, type }) =>
      Yaml.problem(parsed, ["players", type], `another player is for ${extension}, too`)
    )
  ]
}
