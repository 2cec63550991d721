import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as fc from "fast-check"
import { configFlags, prepareFlags, runFlags } from "../../../adapters/gitlab/Gitlab.ts"
import { parse, type QuickGitlab } from "../../../adapters/gitlab/QuickGitlab.ts"
import { redd } from "../../../adapters/terminal/Redd.ts"
import { runInFull } from "../InFull.ts"

type Environment = Readonly<Record<string, string>>

/** What the full command line makes of the same words; None where it says what is wrong with them. */
const parseInFull = async (
  args: ReadonlyArray<string>,
  environment: Environment
): Promise<Option.Option<QuickGitlab>> => {
  let parsed = Option.none<QuickGitlab>()
  const keep = (stage: QuickGitlab["stage"], found: Partial<QuickGitlab>) =>
    Effect.map(redd, ({ config, root }) => {
      const rest = { defaultImage: Option.none(), concurrency: undefined, script: "", name: "script" }
      parsed = Option.some({ stage, root, config, ...rest, ...found })
    })
  const gitlab = Command.make("gitlab").pipe(
    Command.withSubcommands([
      Command.make("config", configFlags, (flags) => keep("config", flags)),
      Command.make("prepare", prepareFlags, ({ concurrency, defaultImage }) =>
        keep("prepare", { defaultImage, concurrency: Option.getOrUndefined(concurrency) })
      ),
      Command.make("run", runFlags, ({ script, stage }) =>
        keep("run", { script, name: Option.getOrElse(stage, () => "script") })
      ),
      Command.make("cleanup", {}, () => keep("cleanup", {}))
    ])
  )
  await runInFull(redd.pipe(Command.withSubcommands([gitlab])), args, environment)
  return parsed
}

const often = <A>(usual: A, ...others: ReadonlyArray<A>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, { weight: 2, arbitrary: fc.constantFrom(...others) })
const shared = often<ReadonlyArray<string>>(
  [],
  ["--root", "/r"],
  ["--config=/c"],
  ["--root", "/r", "--config", "/c"],
  ["--root"]
)
const flags = often<ReadonlyArray<string>>(
  [],
  ["--default-image", "trixie"],
  ["--concurrency", "4"],
  ["--concurrency=0"],
  ["--concurrency", "x"],
  ["--default-image=a", "--concurrency", "12"],
  ["--json"],
  ["--help"],
  ["--bogus", "x"],
  ["--default-image", "-x"]
)
const stage = fc.constantFrom("config", "prepare", "run", "cleanup", "toml", "bogus")
const operands = often<ReadonlyArray<string>>(
  [],
  ["/tmp/script"],
  ["/tmp/script", "build_script"],
  ["a", "b", "c"],
  ["-"],
  ["--", "a"]
)
const environment = fc.constantFrom<Environment>({}, { REDD_ROOT: "/e" }, { REDD_CONFIG: "/e", REDD_ROOT: "" })

describe("the quick path of redd gitlab", () => {
  it("understands a command line as the full one does, or leaves it to it", async () => {
    let understood = 0
    await fc.assert(
      fc.asyncProperty(
        shared,
        stage,
        flags,
        operands,
        shared,
        environment,
        async (before, name, some, words, after, given) => {
          const args = [...before, "gitlab", name, ...some, ...words, ...after]
          const quick = parse(args, given)
          if (Option.isNone(quick)) return
          understood++
          assert.deepStrictEqual(quick, await parseInFull(args, given))
        }
      ),
      { numRuns: 400 }
    )
    assert.isAbove(understood, 40)
  })

  it("takes what toml prints", () => {
    for (const words of [
      ["--root", "/srv/redd", "gitlab", "config", "--default-image", "trixie"],
      ["--root", "/srv/redd", "gitlab", "prepare", "--default-image", "trixie", "--concurrency", "4"],
      ["gitlab", "run", "/tmp/script", "step_script"],
      ["gitlab", "cleanup"]
    ])
      assert.isTrue(Option.isSome(parse(words, {})), words.join(" "))
  })
})
