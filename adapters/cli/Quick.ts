/**
 * `run`, `exec`, `prepare` and `cleanup` without effect's command line, which costs more to load than a command through
 * the door takes.
 *
 * It understands command lines that are plainly right, and leaves all others to the full command line, whose words for a
 * mistake are the only ones. What it understands, it understands as the full one does: a property test compares them.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Machine, MachineRecord, Quantity, Records } from "../../src/index.ts"
import type { MachineFlags } from "./Flags.ts"
import * as Settings from "../terminal/Settings.ts"
import { split } from "../terminal/Words.ts"
import * as Assignment from "../terminal/Assignment.ts"
import { operandsOf } from "../terminal/Operands.ts"
import { runScript, runWords, type ScriptFlags, type WordsFlags } from "./Running.ts"

/** A parsed command line. */
export type Quick = {
  readonly id: MachineRecord.MachineId
  readonly root: Option.Option<string>
  readonly config: Option.Option<string>
} & (
  | ({ readonly _tag: "Run" } & ScriptFlags)
  | ({ readonly _tag: "Exec"; readonly command: ReadonlyArray<string> } & WordsFlags)
  | ({ readonly _tag: "Prepare"; readonly json: boolean } & MachineFlags)
  | { readonly _tag: "Cleanup"; readonly grace: Option.Option<Duration.Duration> }
)

/** The command line, if it is one of the plain kind. */
export const parse = (
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string | undefined>>
): Option.Option<Quick> =>
  Option.gen(function* () {
    const [name = "", ...rest] = args
    const dashes = rest.indexOf("--")
    const known = yield* Option.fromUndefinedOr(valued[name])
    const { flags, json, operands } = yield* split(dashes < 0 ? rest : rest.slice(0, dashes), known)

    const one = (flag: string) => Option.fromUndefinedOr(flags.get(flag)?.[0])
    // A variable that is empty is not set.
    const oneOr = (flag: string, variable: string) =>
      Option.orElse(one(flag), () => Option.fromUndefinedOr(environment[variable] || undefined))
    const duration = (flag: string) => every(Option.toArray(one(flag)), Quantity.duration)
    const [timeout] = yield* duration("timeout")
    const [grace] = yield* duration("grace")
    const common = {
      id: yield* Option.flatMap(oneOr("id", "REDD_ID"), Schema.decodeUnknownOption(MachineRecord.MachineId)),
      root: oneOr("root", "REDD_ROOT"),
      config: oneOr("config", "REDD_CONFIG")
    }
    if (name === "prepare" || name === "cleanup") {
      if (operands.length > 0 || dashes >= 0 || (json && name === "cleanup")) return yield* Option.none()
      return name === "prepare"
        ? ({ _tag: "Prepare", ...common, ...plainMachine, image: oneOr("image", "REDD_IMAGE"), json } as const)
        : ({ _tag: "Cleanup", ...common, grace: Option.fromUndefinedOr(grace) } as const)
    }
    const shared = {
      ...common,
      env: Object.fromEntries(yield* every(flags.get("env") ?? [], Assignment.parse)),
      timeout: Option.fromUndefinedOr(timeout),
      grace: Option.fromUndefinedOr(grace),
      json
    }
    if (name === "run") {
      const [script, label, ...more] = operands
      if (script === undefined || more.length > 0 || dashes >= 0) return yield* Option.none()
      return { _tag: "Run", ...shared, shell: one("shell"), script, label: Option.fromUndefinedOr(label) } as const
    }
    const command = dashes < 0 ? [] : rest.slice(dashes + 1)
    if (command.length === 0 || operands.length > 0) return yield* Option.none()
    return { _tag: "Exec", ...shared, cwd: one("cwd"), user: one("user"), command } as const
  })

/** Does what the command line says. */
export const perform = (quick: Quick) =>
  Effect.gen(function* () {
    const settings = yield* Settings.load(quick.config)
    const root = Option.getOrElse(quick.root, () => settings.root)
    if (quick._tag === "Prepare" || quick._tag === "Cleanup") {
      const Making = yield* Effect.promise(() => import("./Making.ts"))
      return yield* quick._tag === "Prepare"
        ? Making.withMachines(root, Making.prepareMachine(quick, { ...settings, root }))
        : Making.withMachines(root, Making.cleanUpMachine(quick))
    }
    const runIt = Effect.gen(function* () {
      const record = yield* Machine.attach(quick.id)
      if (quick._tag === "Run") return yield* runScript(record, quick, settings)
      yield* runWords(record, yield* operandsOf(quick.command), quick, settings)
    })
    yield* Effect.provide(runIt, Records.layer(root))
  })

/** A machine that nothing but its image is said of. */
const plainMachine: MachineFlags = {
  image: Option.none(),
  backend: Option.none(),
  engine: Option.none(),
  isolation: Option.none(),
  boot: "auto",
  bootTimeout: Option.none(),
  network: "host",
  memory: Option.none(),
  cpus: Option.none(),
  tasks: Option.none(),
  tmpSize: Option.none(),
  bind: [],
  bindReadOnly: [],
  env: {}
}

/** The flags that take a value; `env` may come more than once. `json` takes none. */
const valued: Readonly<Record<string, ReadonlyArray<string>>> = {
  run: ["config", "env", "grace", "id", "root", "shell", "timeout"],
  exec: ["config", "cwd", "env", "grace", "id", "root", "timeout", "user"],
  prepare: ["config", "id", "image", "root"],
  cleanup: ["config", "grace", "id", "root"]
}

const every = <A, B>(all: ReadonlyArray<A>, parse: (each: A) => Option.Option<B>): Option.Option<ReadonlyArray<B>> =>
  Option.all(all.map(parse))
