/** The stages as `redd gitlab toml` has GitLab Runner call them, without effect's command line. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Options as Prepare } from "../executor/Prepare.ts"
import { run } from "../executor/Run.ts"
import * as Settings from "../terminal/Settings.ts"
import { split } from "../terminal/Words.ts"

/** A parsed command line. */
export interface QuickGitlab {
  readonly stage: "config" | "prepare" | "run" | "cleanup"
  readonly root: Option.Option<string>
  readonly config: Option.Option<string>
  readonly defaultImage: Option.Option<string>
  readonly concurrency: Prepare["concurrency"]
  readonly script: string
  readonly name: string
}

/** The command line, if it is one of the plain kind. Shared flags may stand before `gitlab`, where `toml` puts them. */
export const parse = (
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string | undefined>>
): Option.Option<QuickGitlab> =>
  Option.gen(function* () {
    const { flags, json, operands } = yield* split(args, ["config", "root", "default-image", "concurrency"])
    const [front, stage, ...more] = operands
    if (front !== "gitlab" || json || !isStage(stage)) return yield* Option.none()
    const one = (flag: string) => Option.fromUndefinedOr(flags.get(flag)?.[0])
    const oneOr = (flag: string, variable: string) =>
      Option.orElse(one(flag), () => Option.fromUndefinedOr(environment[variable] || undefined))
    const count = Option.getOrUndefined(one("concurrency"))
    const [script = "", name = "script", ...rest] = more
    const isPlain =
      (count === undefined ? true : stage === "prepare" && /^[1-9]\d{0,3}$/.test(count)) &&
      (Option.isNone(one("default-image")) || stage === "prepare" || stage === "config") &&
      (stage === "run" ? script !== "" && rest.length === 0 : more.length === 0)
    if (!isPlain) return yield* Option.none()
    return {
      stage,
      root: oneOr("root", "REDD_ROOT"),
      config: oneOr("config", "REDD_CONFIG"),
      defaultImage: one("default-image"),
      concurrency: count === undefined ? undefined : Number(count),
      script,
      name
    }
  })

/** Does what the command line says. */
export const perform = (quick: QuickGitlab) =>
  Effect.gen(function* () {
    const settings = Effect.map(Settings.load(quick.config), (loaded) => ({
      ...loaded,
      root: Option.getOrElse(quick.root, () => loaded.root)
    }))
    const flags = { defaultImage: Option.getOrUndefined(quick.defaultImage), concurrency: quick.concurrency }
    switch (quick.stage) {
      case "run":
        return yield* run({ settings }, { script: quick.script, name: quick.name, shell: undefined })
      case "config": {
        const { config } = yield* Effect.promise(() => import("../executor/Config.ts"))
        return yield* config({ settings }, flags)
      }
      case "prepare": {
        const { prepare } = yield* Effect.promise(() => import("../executor/Prepare.ts"))
        return yield* prepare({ settings }, flags)
      }
      case "cleanup": {
        const { cleanup } = yield* Effect.promise(() => import("../executor/Cleanup.ts"))
        return yield* cleanup({ settings })
      }
    }
  })

const isStage = (word: string | undefined): word is QuickGitlab["stage"] =>
  word === "config" || word === "prepare" || word === "run" || word === "cleanup"
