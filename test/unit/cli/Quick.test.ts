import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as fc from "fast-check"
import { execFlags } from "../../../adapters/cli/Exec.ts"
import { cleanupFlags } from "../../../adapters/cli/Life.ts"
import { prepareFlags } from "../../../adapters/cli/Prepare.ts"
import { redd } from "../../../adapters/terminal/Redd.ts"
import { parse } from "../../../adapters/cli/Quick.ts"
import { runFlags } from "../../../adapters/cli/Run.ts"
import { runInFull } from "../InFull.ts"

type Environment = Readonly<Record<string, string>>

/** What the full command line makes of the same words; None where it says what is wrong with them. */
const parseInFull = async (args: ReadonlyArray<string>, environment: Environment): Promise<Option.Option<object>> => {
  let parsed = Option.none<object>()
  const keep = (tag: string) => (flags: object) =>
    Effect.map(redd, ({ config, root }) => void (parsed = Option.some({ _tag: tag, root, config, ...flags })))
  const cli = redd.pipe(
    Command.withSubcommands([
      Command.make("run", runFlags, keep("Run")),
      Command.make("exec", execFlags, keep("Exec")),
      Command.make("prepare", prepareFlags, keep("Prepare")),
      Command.make("cleanup", cleanupFlags, keep("Cleanup"))
    ])
  )
  await runInFull(cli, args, environment)
  return parsed
}

const flag = fc.constantFrom(
  "id",
  "root",
  "config",
  "env",
  "shell",
  "cwd",
  "user",
  "timeout",
  "grace",
  "json",
  "help",
  "image",
  "boot"
)
const value = fc.constantFrom(
  "a",
  "job 1",
  "A=b",
  "A=",
  "=b",
  "1=2",
  "5s",
  "1h30m",
  "0",
  "-",
  "-5",
  "true",
  "off",
  "",
  "a=b=c",
  "é\n"
)
const word = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(flag, value).map(([name, given]) => [`--${name}`, given]) },
  { weight: 2, arbitrary: fc.tuple(flag, value).map(([name, given]) => [`--${name}=${given}`]) },
  { weight: 2, arbitrary: fc.constant(["--json"]) },
  { weight: 3, arbitrary: value.map((given) => [given]) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ["--"],
      ["--no-json"],
      ["-h"],
      ["--log-level", "debug"],
      ["--bogus"],
      ["---"],
      ["--=x"],
      ["run"]
    )
  },
  { weight: 1, arbitrary: fc.string().map((given) => [given]) }
)
const words = (maxLength: number) => fc.array(word, { maxLength }).map((found) => found.flat())
const just = (...given: ReadonlyArray<string>) => fc.constant(given)
/** Right more often than not. */
const commandLine = fc
  .oneof(
    fc.tuple(fc.constantFrom(["run"], ["exec"], ["list"]), words(6)),
    fc.tuple(just("run", "--id", "x"), words(3), just("script")),
    fc.tuple(just("exec", "--id=x"), words(3), just("--", "ls"), fc.array(value)),
    fc.tuple(just("prepare", "--id", "x"), words(3)),
    fc.tuple(just("cleanup", "--id", "x"), words(2))
  )
  .map((parts) => parts.flat())
const environment = fc.record(
  { REDD_ID: value, REDD_ROOT: value, REDD_CONFIG: value, REDD_IMAGE: value },
  { requiredKeys: [] }
)

describe("the quick command line", () => {
  it("declines, or understands what the full one does", async () => {
    let understood = 0
    await fc.assert(
      fc.asyncProperty(commandLine, environment, async (args, given) => {
        const quick = parse(args, given)
        if (Option.isNone(quick)) return
        understood += 1
        assert.deepStrictEqual(Option.some<object>(quick.value), await parseInFull(args, given))
      }),
      { numRuns: 3000 }
    )
    assert.isAbove(understood, 300)
  }, 60_000)

  it("understands what jobs are made of", () => {
    for (const line of [
      "run --id job-1 build.sh",
      "run --id=job-1 --timeout 10m - label",
      "run --id job-1 --json script",
      "exec --id job-1 --env A=b --env C=d --user nobody --cwd /tmp -- id -un",
      "prepare --id job-1 --image trixie",
      "cleanup --id job-1 --grace 5s",
      "exec --root /srv/redd --config c.yaml --grace 5s --id job-1 -- tar x"
    ])
      assert.isTrue(Option.isSome(parse(line.split(" "), {})), line)
    assert.isTrue(Option.isSome(parse(["run", "script"], { REDD_ID: "job-1" })))
  })

  it("leaves to the full one what is wrong, and what is for people", () => {
    for (const line of [
      "run",
      "run --help",
      "run --id job-1",
      "exec --id job-1 ls",
      "run --id job-1 --bogus x",
      "list",
      "run script"
    ])
      assert.isTrue(Option.isNone(parse(line.split(" "), {})), line)
  })
})
