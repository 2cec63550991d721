/** /etc/redd/config.yaml: read, checked, and every mistake in it named by file, line and key. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Files, MachineRecord, Yaml } from "../../src/index.ts"
import * as Defaults from "./Defaults.ts"

/** The configuration cannot be used. */
export class ConfigurationInvalid extends Schema.TaggedError<ConfigurationInvalid>()("ConfigurationInvalid", {
  file: Schema.String,
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `The configuration is not valid. ${this.problems.join("; ")}`
  }
  get hint(): string {
    return `correct ${this.file}; docs/reference/configuration.md has every key`
  }
}

const { Period, Size, durationOf, sizeOf } = Yaml
const Positive = Schema.Number.pipe(Schema.check(Schema.isGreaterThan(0)))
const PositiveInt = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))

const Keep = Schema.Literals(["never", "on-failure"])
const Folder = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^(\/[A-Za-z0-9._+-]+)+$/, { expected: "an absolute path of plain characters" }))
)

const Limits = Schema.Struct({
  memory: Schema.optionalKey(Size),
  cpus: Schema.optionalKey(Positive),
  tasks: Schema.optionalKey(Positive),
  reserve: Schema.optionalKey(Size),
  boots: Schema.optionalKey(PositiveInt)
})

const Most = Schema.Struct({
  memory: Schema.optionalKey(Size),
  cpus: Schema.optionalKey(Positive),
  "tmp-size": Schema.optionalKey(Size)
})

const GitlabSection = Schema.Struct({
  images: Schema.optionalKey(Schema.Record(Schema.String, MachineRecord.ImageName)),
  allowed: Schema.optionalKey(Schema.Array(Schema.String)),
  keep: Schema.optionalKey(Keep),
  "keep-for": Schema.optionalKey(Period),
  network: Schema.optionalKey(MachineRecord.Network),
  shell: Schema.optionalKey(Schema.Literals(["bash", "sh"])),
  "builds-dir": Schema.optionalKey(Folder),
  "cache-dir": Schema.optionalKey(Folder),
  most: Schema.optionalKey(Most)
})

const File = Schema.Struct({
  root: Schema.optionalKey(Schema.String),
  images: Schema.optionalKey(Schema.String),
  "default-image": Schema.optionalKey(Schema.String),
  backend: Schema.optionalKey(Schema.Union([Schema.Literal("auto"), MachineRecord.BackendName])),
  engine: Schema.optionalKey(Schema.Union([Schema.Literal("auto"), MachineRecord.EngineName])),
  isolation: Schema.optionalKey(MachineRecord.Isolation),
  limits: Schema.optionalKey(Limits),
  grace: Schema.optionalKey(Period),
  gitlab: Schema.optionalKey(GitlabSection)
})

/** What GitLab's jobs are given. */
export interface Gitlab {
  /** Globs of what a job writes after `image:`, and the image that is meant. */
  readonly images: Readonly<Record<string, string>>
  /** Globs of what a job may write there. */
  readonly allowed: ReadonlyArray<string>
  /** Whether a job may have its machine kept when it failed. */
  readonly keep: typeof Keep.Type
  /** How long. */
  readonly keepFor: Duration.Duration
  /** `none`: no job gets the host's. */
  readonly network: MachineRecord.Network
  /** What GitLab Runner writes its scripts for; absent: bash where the image has it, else sh. */
  readonly shell: "bash" | "sh" | undefined
  /** Folders in the machine. */
  readonly buildsDir: string
  readonly cacheDir: string
  /** The most that a job may ask for, beyond `limits`. */
  readonly most: {
    readonly memoryBytes?: number | undefined
    readonly cpus?: number | undefined
    readonly tmpSizeBytes?: number | undefined
  }
}

export interface Configuration {
  readonly root: string
  /** The folder of the images' definitions. */
  readonly definitions: string
  readonly defaultImage: Option.Option<string>
  readonly backend: MachineRecord.BackendName | "auto"
  readonly engine: MachineRecord.EngineName | "auto"
  readonly isolation: MachineRecord.Isolation
  readonly limits: MachineRecord.Limits
  /** What must be free at the state folder before a machine is begun. */
  readonly reserveBytes: number | undefined
  /** How many machines may boot at the same time. */
  readonly boots: number | undefined
  /** From SIGTERM to SIGKILL. */
  readonly grace: Duration.Duration
  readonly gitlab: Gitlab
}

/** The configuration in `file`. Only the default one may be absent. */
export const load = (file: Option.Option<string>): Effect.Effect<Configuration, ConfigurationInvalid> =>
  Effect.gen(function* () {
    const path = Option.getOrElse(file, () => Defaults.file)
    const text = yield* Effect.mapError(
      Files.readText(path),
      (error) => new ConfigurationInvalid({ file: path, problems: [`${path}: ${error.message}`] })
    )
    if (Option.isNone(text) && Option.isSome(file)) {
      return yield* new ConfigurationInvalid({ file: path, problems: [`${path}: there is no such file`] })
    }
    const parsed = parse(
      path,
      Option.getOrElse(text, () => "")
    )
    return yield* Result.isSuccess(parsed)
      ? Effect.succeed(parsed.success)
      : Effect.fail(new ConfigurationInvalid({ file: path, problems: parsed.failure }))
  })

/** The configuration in a text, or what is wrong with it: `file:line: key: what was expected`. */
export const parse = (file: string, text: string): Result.Result<Configuration, ReadonlyArray<string>> =>
  Yaml.parse(file, text).pipe(
    Result.flatMap((parsed) => Yaml.decode(parsed, File, { otherwise: {}, keys })),
    Result.map(configuration)
  )

/** Every key that there is. */
const keys: ReadonlyArray<string> = [
  ...Object.keys(File.fields),
  ...Object.keys(Limits.fields),
  ...Object.keys(GitlabSection.fields),
  ...Object.keys(Most.fields)
]

const configuration = (file: typeof File.Type): Configuration => {
  const memoryBytes = sizeOf(file.limits?.memory)
  return {
    root: file.root ?? Defaults.configuration.root,
    definitions: file.images ?? Defaults.configuration.definitions,
    defaultImage: Option.fromUndefinedOr(file["default-image"]),
    backend: file.backend ?? Defaults.configuration.backend,
    engine: file.engine ?? Defaults.configuration.engine,
    isolation: file.isolation ?? Defaults.configuration.isolation,
    limits: {
      ...Defaults.configuration.limits,
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      ...(file.limits?.cpus === undefined ? {} : { cpus: file.limits.cpus }),
      ...(file.limits?.tasks === undefined ? {} : { tasks: file.limits.tasks })
    },
    reserveBytes: sizeOf(file.limits?.reserve),
    boots: file.limits?.boots,
    grace: durationOf(file.grace) ?? Defaults.configuration.grace,
    gitlab: gitlab(file.gitlab ?? {})
  }
}

const gitlab = (section: typeof GitlabSection.Type): Gitlab => {
  const defaults = Defaults.configuration.gitlab
  return {
    images: section.images ?? defaults.images,
    allowed: section.allowed ?? defaults.allowed,
    keep: section.keep ?? defaults.keep,
    keepFor: durationOf(section["keep-for"]) ?? defaults.keepFor,
    network: section.network ?? defaults.network,
    shell: section.shell ?? defaults.shell,
    buildsDir: section["builds-dir"] ?? defaults.buildsDir,
    cacheDir: section["cache-dir"] ?? defaults.cacheDir,
    most: {
      memoryBytes: sizeOf(section.most?.memory),
      cpus: section.most?.cpus,
      tmpSizeBytes: sizeOf(section.most?.["tmp-size"])
    }
  }
}
