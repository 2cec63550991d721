/** `redd gitlab`: the driver of GitLab Runner's custom executor. Its stages, and the configuration that calls them. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { cleanup } from "../executor/Cleanup.ts"
import { config } from "../executor/Config.ts"
import { prepare } from "../executor/Prepare.ts"
import { run } from "../executor/Run.ts"
import * as Toml from "../executor/Toml.ts"
import { Files } from "../../src/index.ts"
import { Invocation } from "../terminal/Invocation.ts"
import { configuration, redd } from "../terminal/Redd.ts"
import * as Say from "../terminal/Say.ts"
import * as Values from "../terminal/Values.ts"

const defaultImage = Flag.String("default-image").pipe(
  Flag.withDescription("The image of jobs that name none (else the configuration's default-image)"),
  Flag.optional
)
const concurrency = Values.count("concurrency", "jobs").pipe(
  Flag.withDescription("How many jobs this runner takes at once; each gets its share of the memory"),
  Flag.optional
)
const text = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)

export const configFlags = { defaultImage }
export const prepareFlags = { defaultImage, concurrency }
export const runFlags = {
  script: Argument.String("script").pipe(Argument.withDescription("The script that GitLab Runner wrote")),
  stage: Argument.String("stage").pipe(Argument.withDescription("What GitLab Runner calls it"), Argument.optional)
}

export const gitlab = Command.make("gitlab").pipe(
  Command.withDescription("Jobs of a GitLab runner: the driver of its custom executor"),
  Command.withSubcommands([
    Command.make("config", configFlags, (flags) => config({ settings: configuration }, imagesOf(flags))).pipe(
      Command.withDescription("GitLab Runner's config stage: say where builds and caches are")
    ),
    Command.make("prepare", prepareFlags, (flags) =>
      prepare(
        { settings: configuration },
        { ...imagesOf(flags), concurrency: Option.getOrUndefined(flags.concurrency) }
      )
    ).pipe(Command.withDescription("GitLab Runner's prepare stage: a machine for the job")),
    Command.make("run", runFlags, (flags) =>
      run(
        { settings: configuration },
        { script: flags.script, name: Option.getOrElse(flags.stage, () => "script"), shell: undefined }
      )
    ).pipe(Command.withDescription("GitLab Runner's run stage: one of the job's scripts in its machine")),
    Command.make("cleanup", {}, () => cleanup({ settings: configuration })).pipe(
      Command.withDescription("GitLab Runner's cleanup stage: the machine goes")
    ),
    Command.make(
      "toml",
      {
        name: text("name", "What the runner is called"),
        url: text("url", "GitLab's address"),
        token: text("token", "The runner's authentication token, as GitLab shows it when a runner is created (glrt-…)"),
        defaultImage,
        concurrency
      },
      (flags) =>
        Effect.gen(function* () {
          const { config: file, root } = yield* redd
          const settings = yield* configuration
          const { program } = yield* Invocation
          // GitLab Runner calls its driver in a folder of its own.
          const shared = [
            ...Option.match(file, { onNone: () => [], onSome: (path) => ["--config", Files.absolute(path)] }),
            ...Option.match(root, { onNone: () => [], onSome: (path) => ["--root", Files.absolute(path)] })
          ]
          const chosen = Option.match(flags.defaultImage, {
            onNone: () => [],
            onSome: (name) => ["--default-image", name]
          })
          const share = Option.match(flags.concurrency, {
            onNone: () => [],
            onSome: (count) => ["--concurrency", String(count)]
          })
          yield* Say.result(
            Toml.print(
              {
                name: Option.getOrUndefined(flags.name),
                url: Option.getOrUndefined(flags.url),
                token: Option.getOrUndefined(flags.token),
                concurrency: Option.getOrUndefined(flags.concurrency),
                program,
                stages: {
                  config: [...shared, "gitlab", "config", ...chosen],
                  prepare: [...shared, "gitlab", "prepare", ...chosen, ...share],
                  run: [...shared, "gitlab", "run"],
                  cleanup: [...shared, "gitlab", "cleanup"]
                }
              },
              settings
            )
          )
        })
    ).pipe(
      Command.withDescription("The [[runners]] block for GitLab Runner's config.toml"),
      Command.withExamples([
        {
          command:
            "redd gitlab toml --url https://gitlab.example.com --token glrt-… --default-image trixie --concurrency 4",
          description: "Four jobs at once, in trixie where they name no image"
        }
      ])
    )
  ])
)

/** What the command line says of images. */
const imagesOf = (flags: { readonly defaultImage: Option.Option<string> }) => ({
  defaultImage: Option.getOrUndefined(flags.defaultImage)
})

/** True where the command is gitlab, whatever is wrong with the rest. Shared flags may stand before it. */
export const isGitlab = ([word, ...rest]: ReadonlyArray<string>): boolean => {
  if (word === "--root" || word === "--config") return isGitlab(rest.slice(1))
  return word === "gitlab" || (/^--(root|config)=/.test(word ?? "") && isGitlab(rest))
}
