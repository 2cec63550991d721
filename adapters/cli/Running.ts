/**
 * What `run`, `exec` and `once` do, whoever has parsed their flags: a command's output on our own streams, signals, and
 * how it ended. Loaded at each start of `redd run`: nothing here reaches effect's command line.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import { Descriptor, Exec, type MachineRecord } from "../../src/index.ts"
import type { Configuration } from "../terminal/Configuration.ts"
import * as Here from "../terminal/Here.ts"
import { Invocation } from "../terminal/Invocation.ts"
import { endAsJson, endInWords, fullInWords } from "../terminal/Paragraph.ts"
import * as Say from "../terminal/Say.ts"

/** What `run` and `exec` can both be told of a command. */
interface CommandFlags {
  readonly env: Readonly<Record<string, string>>
  readonly timeout: Option.Option<Duration.Duration>
  readonly grace: Option.Option<Duration.Duration>
  readonly json: boolean
}

/** The flags of `run`. */
export interface ScriptFlags extends CommandFlags {
  readonly shell: Option.Option<string>
  readonly script: string
  readonly label: Option.Option<string>
}

/** The flags of `exec`, and of `once` as far as they are the command's. */
export interface WordsFlags extends CommandFlags {
  readonly cwd: Option.Option<string>
  readonly user: Option.Option<string>
}

/** What a configuration says about running. */
type Settings = Pick<Configuration, "grace">

/** Runs a script file, or what comes on our standard input, as the flags say. */
export const runScript = (record: MachineRecord.MachineRecord, flags: ScriptFlags, settings: Settings) =>
  Effect.gen(function* () {
    const content = yield* Here.readScript(flags.script)
    if (Option.isSome(flags.label)) yield* Effect.logDebug(`run ${flags.label.value} in ${record.id}`)
    yield* runHere(
      record,
      { _tag: "Script", content, shell: Option.getOrUndefined(flags.shell) },
      flags,
      undefined,
      settings
    )
  })

/** Runs words with our standard input, as the flags say. */
export const runWords = (
  record: MachineRecord.MachineRecord,
  command: ReadonlyArray<string | Uint8Array>,
  flags: WordsFlags,
  settings: Settings
) =>
  runHere(
    record,
    { _tag: "Words", words: command, user: Option.getOrUndefined(flags.user), stdin: Descriptor.stdin },
    flags,
    Option.getOrUndefined(flags.cwd),
    settings
  )

/** Runs a command and makes its end ours. */
const runHere = (
  record: MachineRecord.MachineRecord,
  command: Exec.Script | Exec.Words<PlatformError.PlatformError>,
  flags: CommandFlags,
  folder: string | undefined,
  settings: Settings
): Effect.Effect<void, Exec.ExecError, Invocation> =>
  Effect.gen(function* () {
    const { diskFull, exit, signal } = yield* Here.run(record, command, {
      environment: flags.env,
      folder,
      timeout: Option.getOrUndefined(flags.timeout),
      grace: Option.getOrElse(flags.grace, () => settings.grace)
    })
    // As a shell would say it: 130 for Ctrl-C, 143 for SIGTERM.
    const code = signal === undefined ? Exec.exitCode(exit) : 128 + signal
    const words = endInWords(exit)
    if (flags.json) yield* Say.note(endAsJson(record.id, exit, code, diskFull))
    else if (words !== undefined) yield* Say.note(`redd: ${words}`)
    if (diskFull && !flags.json) yield* Say.note(`redd: ${fullInWords(record)}: the command may have failed for that`)
    yield* (yield* Invocation).exitWith(code)
  })
