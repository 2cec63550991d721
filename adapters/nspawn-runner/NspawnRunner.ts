/**
 * The command line of nspawn-runner, on Redd: a runner whose config.toml names it goes on working.
 *
 * Its folder stays as it was: images are the folders in it. Redd's own things are below `.redd` there.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Definition, Descriptor, Files, Images, Login, Machine, MachineRecord } from "../../src/index.ts"
import { cleanup } from "../executor/Cleanup.ts"
import { config } from "../executor/Config.ts"
import { prepare } from "../executor/Prepare.ts"
import { run } from "../executor/Run.ts"
import * as Toml from "../executor/Toml.ts"
import type { Configuration } from "../terminal/Configuration.ts"
import * as ImageMaking from "../terminal/ImageMaking.ts"
import { Invocation } from "../terminal/Invocation.ts"
import * as Maintaining from "../terminal/Maintaining.ts"
import { exitCodes } from "../terminal/Paragraph.ts"
import * as Say from "../terminal/Say.ts"
import * as Settings from "../terminal/Settings.ts"
import * as Playbook from "./Playbook.ts"

/** Where nspawn-runner keeps its images. */
export const folder = "/var/lib/nspawn-runner"

const root = Command.make("nspawn-runner").pipe(
  Command.withDescription(
    "Runs the jobs of a GitLab runner in systemd-nspawn machines: nspawn-runner's commands, on Redd"
  ),
  Command.withSharedFlags({
    verbose: Flag.Boolean("verbose").pipe(
      Flag.withAlias("v"),
      Flag.withDescription("Say more"),
      Flag.withDefault(false)
    ),
    debug: Flag.Boolean("debug").pipe(Flag.withDescription("Say every tool that is run"), Flag.withDefault(false)),
    ramDisk: Flag.Boolean("ram-disk").pipe(
      Flag.withDescription("What machines write is kept in RAM (the backend tmpfs)"),
      Flag.withDefault(false)
    )
  })
)

/** The settings of /etc/redd/config.yaml, for nspawn-runner's folder. Its images are found where Redd looks for them. */
const settings = Effect.gen(function* () {
  const { ramDisk } = yield* root
  const loaded = yield* Settings.load(Option.none())
  const state = `${folder}/.redd`
  yield* Files.makeFolder(state, 0o700)
  yield* linkImages(`${state}/images`)
  return { ...loaded, root: state, ...(ramDisk ? { backend: "tmpfs" as const } : {}) }
})

/** A redd that came first has made a folder there, which is empty: the images are not in it. */
const linkImages = (path: string): Effect.Effect<void, PlatformError> =>
  Files.link("..", path).pipe(
    Effect.catchIf(
      (error) => error.reason._tag === "AlreadyExists",
      () =>
        Effect.flatMap(Files.readLink(path), (link) =>
          Option.isSome(link) ? Effect.void : Effect.andThen(Files.removeFolder(path), linkImages(path))
        )
    )
  )

/** As talkative as is wanted. */
const talking = <A, E, R>(use: Effect.Effect<A, E, R>) =>
  Effect.flatMap(root, ({ debug, verbose }) =>
    Effect.provideService(use, References.MinimumLogLevel, debug ? "Debug" : verbose ? "Info" : "Warn")
  )

const withMachines = <A, E, R>(use: (loaded: Configuration) => Effect.Effect<A, E, R>) =>
  talking(Effect.flatMap(settings, (loaded) => Effect.provide(use(loaded), Machine.layer(loaded.root))))

const id = Flag.String("id").pipe(
  Flag.withDescription("What the machine is called (else it is the job's)"),
  Flag.filterMap(Schema.decodeUnknownOption(MachineRecord.MachineId), () => "an id is a text of 1 to 200 bytes"),
  Flag.optional
)
const image = Argument.String("image").pipe(Argument.withDescription("The image's name"))

const chrootCreate = Command.make(
  "chroot-create",
  { suite: Flag.optional(ImageMaking.suite), name: ImageMaking.newName },
  ({ name, suite }) =>
    withMachines(({ reserveBytes }) =>
      Effect.gen(function* () {
        const written = yield* Effect.catchTag(definitionOf(name), "DefinitionMissing", () =>
          Effect.succeed(Definition.plain(name, bootstrap(name)))
        )
        const definition = Option.match(suite, {
          onNone: () => ({ ...written, bootstrap: written.bootstrap ?? bootstrap(name) }),
          onSome: (wanted) => ({ ...written, bootstrap: bootstrap(wanted) })
        })
        yield* Maintaining.bring(definition, "create", { timeout: playbookTimeout, reserveBytes, as: "new" })
        yield* Say.note(`redd: image ${name} is there`)
      })
    )
).pipe(Command.withDescription("Make an image: Debian with systemd, D-Bus, git and Python, and what its playbook says"))

const chrootLogin = Command.make("chroot-login", { image }, ({ image: name }) =>
  withMachines(() =>
    Effect.gen(function* () {
      if (!Descriptor.isTerminal(0)) return yield* new TerminalMissing()
      yield* (yield* Invocation).exitWith(yield* Login.inPlace(name))
    })
  )
).pipe(Command.withDescription("A shell in an image: what is changed there, every later machine has"))

/** A person was to type, and there is nobody. */
class TerminalMissing extends Schema.TaggedError<TerminalMissing>()("TerminalMissing", {}) {
  override get message(): string {
    return "chroot-login needs a terminal."
  }
}

const chrootList = Command.make("chroot-list", {}, () =>
  withMachines(() =>
    Effect.gen(function* () {
      const made = (yield* (yield* Images.Images).list).map(({ name }) => name)
      const all = new Set<string>([...made, ...(yield* Playbook.names(folder))])
      yield* Effect.forEach([...all].sort(), (name) => Say.result(`${name} ${folder}/${name}`), { discard: true })
    })
  )
).pipe(Command.withDescription("The images, and those that a playbook describes: name and path"))

const chrootMaintenance = Command.make("chroot-maintenance", { image: Argument.optional(image) }, (flags) =>
  withMachines(({ reserveBytes }) =>
    Effect.gen(function* () {
      const only = Option.match(flags.image, { onNone: () => undefined, onSome: (name) => [name] })
      const rows = yield* Maintaining.apply(
        Playbook.places(folder),
        { timeout: playbookTimeout, reserveBytes },
        { parallel: 1, dryRun: false, only }
      )
      for (const { did, name } of rows) yield* Say.note(`redd: image ${name}: ${did}`)
      if (rows.length === 0) yield* Say.note("redd: there is no playbook for that")
      if (rows.some(({ failed }) => failed)) yield* (yield* Invocation).exitWith(exitCodes.someFailed)
    })
  )
).pipe(Command.withDescription("Make what is missing or due, and run the playbooks, of one image or all"))

const playbookTimeout = Duration.hours(2)
const bootstrap = (suite: string) => ({ mmdebstrap: { suite, include: Definition.usual } })
const definitionOf = (name: MachineRecord.ImageName) => Maintaining.definitionOf(Playbook.places(folder), name)

const defaultImage = Flag.String("default-image").pipe(
  Flag.withDescription("The image of jobs that name none"),
  Flag.optional
)

const prepareStage = Command.make("prepare", { id, defaultImage, image: Argument.optional(image) }, (flags) =>
  talking(
    prepare(
      { settings, id: Option.getOrUndefined(flags.id) },
      {
        image: Option.getOrUndefined(flags.image),
        defaultImage: Option.getOrUndefined(flags.defaultImage),
        concurrency: undefined
      }
    )
  )
).pipe(Command.withDescription("GitLab Runner's prepare stage: a machine for the job"))

const runStage = Command.make(
  "run",
  {
    id,
    shell: Flag.String("shell").pipe(Flag.withDescription("What runs the script"), Flag.optional),
    script: Argument.String("script").pipe(Argument.withDescription("The script that GitLab Runner wrote")),
    description: Argument.String("description").pipe(
      Argument.withDescription("What GitLab Runner calls it"),
      Argument.optional
    )
  },
  (flags) =>
    talking(
      run(
        { settings, id: Option.getOrUndefined(flags.id) },
        {
          script: flags.script,
          name: Option.getOrElse(flags.description, () => "script"),
          shell: Option.getOrUndefined(flags.shell)
        }
      )
    )
).pipe(Command.withDescription("GitLab Runner's run stage: one of the job's scripts in its machine"))

const cleanupStage = Command.make("cleanup", { id }, (flags) =>
  talking(cleanup({ settings, id: Option.getOrUndefined(flags.id) }))
).pipe(Command.withDescription("GitLab Runner's cleanup stage: the machine goes"))

const gitlabConfig = Command.make("gitlab-config", {}, () =>
  talking(config({ settings }, { defaultImage: undefined }))
).pipe(Command.withDescription("GitLab Runner's config stage: say where builds and caches are"))

const toml = Command.make("toml", { image: Argument.optional(image) }, (flags) =>
  talking(
    Effect.gen(function* () {
      const loaded = yield* settings
      const { program } = yield* Invocation
      const chosen = Option.match(flags.image, { onNone: () => [], onSome: (name) => ["--default-image", name] })
      const runner = { name: "nspawn-runner", url: undefined, token: undefined, concurrency: undefined, program }
      const stages = { config: ["gitlab-config"], prepare: ["prepare", ...chosen], run: ["run"], cleanup: ["cleanup"] }
      yield* Say.result(Toml.print({ ...runner, stages }, loaded))
    })
  )
).pipe(Command.withDescription("The [[runners]] block for GitLab Runner's config.toml"))

export const nspawnRunner = root.pipe(
  Command.withSubcommands([
    chrootCreate,
    chrootLogin,
    chrootList,
    chrootMaintenance,
    prepareStage,
    runStage,
    cleanupStage,
    gitlabConfig,
    toml
  ])
)
