/**
 * What an image shall be: one file for each, an Ansible playbook whose first play says in its `vars` how the image comes to
 * be and when it is made anew.
 *
 * Of a playbook it reads no more than that: Ansible knows the rest. A mistake is named by file, line and key.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Files from "../host/Files.ts"
import * as Yaml from "../host/Yaml.ts"
import { defaultKeep } from "../image/Images.ts"
import { ImageName } from "../record/MachineRecord.ts"

/** A definition cannot be used. */
export class DefinitionInvalid extends Schema.TaggedError<DefinitionInvalid>()("DefinitionInvalid", {
  file: Schema.String,
  problems: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `The definition of an image is not valid. ${this.problems.join("; ")}`
  }
  get hint(): string {
    return `correct ${this.file}; docs/guides/images.md has every key`
  }
}

const Words = Schema.Array(Schema.String)
const Suite = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]*$/, { expected: "the name of a suite, such as trixie" }))
)
const Package = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[a-z0-9][a-z0-9+.:~=/_-]*$/, { expected: "the name of a package" }))
)
const debian = {
  suite: Suite,
  variant: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z-]+$/)))),
  include: Schema.optionalKey(Schema.Array(Package)),
  components: Schema.optionalKey(Schema.Array(Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z-]+$/))))),
  mirror: Schema.optionalKey(Schema.String)
}
const Mmdebstrap = Schema.Struct(debian)
const Debootstrap = Schema.Struct(debian)
const Sha256 = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/, { expected: "a SHA-256 checksum: 64 hexadecimal digits" }))
)
const tarball = {
  path: Schema.optionalKey(Schema.String),
  url: Schema.optionalKey(Schema.String),
  sha256: Schema.optionalKey(Sha256)
}
const Tarball = Schema.Struct(tarball).pipe(
  Schema.check(
    Schema.makeFilter(
      ({ path, sha256, url }) =>
        (path === undefined) !== (url === undefined) && (url === undefined || sha256 !== undefined),
      {
        expected: "either path, or url with sha256"
      }
    )
  )
)
const Oci = Schema.Struct({ layout: Schema.String, tag: Schema.optionalKey(Schema.String) })
const Command = Words.pipe(
  Schema.check(
    Schema.makeFilter((words) => words.some((word) => word.includes("{root}")), {
      expected: "a command with {root} in it, which stands for the new tree"
    })
  )
)

/** How a tree comes to be: one of these. */
const ways = {
  mmdebstrap: Schema.optionalKey(Mmdebstrap),
  debootstrap: Schema.optionalKey(Debootstrap),
  tarball: Schema.optionalKey(Tarball),
  oci: Schema.optionalKey(Oci),
  clone: Schema.optionalKey(ImageName),
  command: Schema.optionalKey(Command)
}
const BootstrapSchema = Schema.Struct(ways).pipe(
  Schema.check(
    Schema.makeFilter((chosen) => Object.keys(chosen).length === 1, {
      expected: "one of mmdebstrap, debootstrap, tarball, oci, clone, command"
    })
  )
)
export type BootstrapSpec = typeof BootstrapSchema.Type

const recreatePattern = /^(never|always|daily|weekly|monthly|P\d{1,4}[DWM])$/
const Recreate = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(recreatePattern, { expected: "never, always, daily, weekly, monthly or a period such as P10D" })
  )
)

/** What stands under `redd:` in the vars of the first play. */
export const Settings = Schema.Struct({
  bootstrap: Schema.optionalKey(BootstrapSchema),
  recreate: Schema.optionalKey(Recreate),
  keep: Schema.optionalKey(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100 })))),
  boot: Schema.optionalKey(Schema.Literals(["auto", "init", "none"]))
})

/** Every key that there is. */
const keys = [Settings.fields, ways, debian, tarball, Oci.fields].flatMap((fields) => Object.keys(fields))

/** One image's definition. */
export interface Definition {
  readonly name: ImageName
  /** The playbook, absolute. */
  readonly file: string
  /** How the image comes to be; undefined: it is there already, or never. */
  readonly bootstrap: BootstrapSpec | undefined
  /** When it is made anew from nothing, in ms of its age; `never`; `always`. */
  readonly recreate: number | "never" | "always"
  /** Generations that stay, the current one among them. */
  readonly keep: number
  readonly boot: "auto" | "init" | "none"
  /** It has something for Ansible to do. */
  readonly hasTasks: boolean
}

/** The definition of an image that no playbook says anything of. */
export const plain = (name: ImageName, bootstrap: BootstrapSpec): Definition => ({
  name,
  file: "",
  bootstrap,
  recreate: "never",
  keep: defaultKeep,
  boot: "auto",
  hasTasks: false
})

/** The definition in a text. */
export const parse = (name: ImageName, file: string, text: string): Result.Result<Definition, ReadonlyArray<string>> =>
  Result.gen(function* () {
    const parsed = yield* Yaml.parse(file, text)
    const plays = parsed.value
    if (!Array.isArray(plays) || plays.length === 0)
      return yield* Result.fail([`${file}:1: it is no playbook: a playbook is a list of plays`])
    const at = [0, "vars"]
    const settings = yield* Yaml.decode(parsed, Settings, { at: [...at, "redd"], otherwise: {}, keys })
    // What nspawn-runner's playbooks say instead.
    const suite = yield* Yaml.decode(parsed, Schema.UndefinedOr(Suite), { at: [...at, "nspawn_runner_chroot_suite"] })
    const recreate = yield* Yaml.decode(parsed, Schema.UndefinedOr(Schema.Union([Recreate, Schema.Boolean])), {
      at: [...at, "nspawn_runner_maint_recreate"]
    })
    return {
      name,
      file,
      bootstrap: settings.bootstrap ?? (suite === undefined ? undefined : { mmdebstrap: { suite, include: usual } }),
      recreate: periodOf(settings.recreate ?? (recreate === true ? "always" : recreate === false ? "never" : recreate)),
      keep: settings.keep ?? defaultKeep,
      boot: settings.boot ?? "auto",
      hasTasks: plays.some(hasWork)
    }
  })

/** The definition in a file. */
export const read = (name: ImageName, file: string): Effect.Effect<Option.Option<Definition>, DefinitionInvalid> =>
  Effect.gen(function* () {
    const invalid = (problems: ReadonlyArray<string>) => new DefinitionInvalid({ file, problems })
    const text = yield* Effect.mapError(Files.readText(file), (error) => invalid([`${file}: ${Files.explain(error)}`]))
    if (Option.isNone(text)) return Option.none()
    return Option.some(yield* Effect.mapError(Effect.fromResult(parse(name, file, text.value)), invalid))
  })

/** What an image of nspawn-runner's has beyond the smallest system that boots. */
export const usual: ReadonlyArray<string> = ["ca-certificates", "git", "python3"]

const day = 86_400_000
const unitsMs: Readonly<Record<string, number>> = { D: day, W: 7 * day, M: 30 * day }
const named: Readonly<Record<string, number>> = { daily: day, weekly: 7 * day, monthly: 30 * day }

const periodOf = (text: string | undefined): Definition["recreate"] => {
  if (text === undefined || text === "never") return "never"
  if (text === "always") return "always"
  return named[text] ?? Number(text.slice(1, -1)) * (unitsMs[text.slice(-1)] ?? day)
}

/** What of a play makes Ansible do something. */
const work = new Set([
  "tasks",
  "roles",
  "pre_tasks",
  "post_tasks",
  "import_playbook",
  "ansible.builtin.import_playbook"
])

const hasWork = (play: unknown): boolean =>
  typeof play === "object" &&
  play !== null &&
  Object.entries(play).some(([key, value]) => work.has(key) && (!Array.isArray(value) || value.length > 0))
