/** The `run` stage: one of the job's scripts. Called a dozen times for each job, so nothing here loads what it does not need. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Machine, type MachineRecord, Records, Tool } from "../../src/index.ts"
import type { Configuration } from "../terminal/Configuration.ts"
import * as Here from "../terminal/Here.ts"
import { paragraph } from "../terminal/Paragraph.ts"
import * as Say from "../terminal/Say.ts"
import type { Contract } from "./Contract.ts"
import * as Job from "./Job.ts"
import { type Call, judge, stage } from "./Verdict.ts"
import * as Wishes from "./Wishes.ts"

export interface Options {
  readonly script: string
  /** GitLab's name of the stage. */
  readonly name: string
  readonly shell: string | undefined
}

/** Runs a script in the job's machine. Whatever its name is: GitLab adds stages. */
export const run = <E, R>(call: Call<E, R>, options: Options) =>
  stage(call, (contract, settings) =>
    Effect.gen(function* () {
      const record = yield* Machine.attach(yield* Job.machineId(contract))
      const content = yield* Here.readScript(options.script)
      yield* Effect.logDebug(`stage ${options.name} in ${record.id}`)
      const decides = isDecisive(options.name, contract)
      // The job goes on: what failed before was tried again.
      if (decides && record.keptUntilMs !== undefined) yield* Machine.keep(record, undefined)
      const ended = yield* Here.run(
        record,
        { _tag: "Script", content, shell: options.shell ?? settings.gitlab.shell },
        { grace: settings.grace }
      )
      const verdict = judge(ended, record)
      // Whether the machine can be kept changes nothing about whose failure it is.
      if (verdict._tag === "BuildFailure" && decides)
        yield* Effect.catch(keep(contract, record, settings), (error) => Say.note(paragraph(error)))
      return verdict
    }).pipe(Effect.provide(Records.layer(settings.root)))
  )

/** Whether a job fails when this stage does (common/build.go of GitLab Runner). */
const isDecisive = (name: string, contract: Contract): boolean =>
  name === "after_script" ? contract.variable("AFTER_SCRIPT_IGNORE_ERRORS") === "false" : !bystanders.has(name)

const bystanders: ReadonlySet<string> = new Set([
  "archive_cache_on_failure",
  "upload_artifacts_on_failure",
  "clear_worktree",
  "cleanup_file_variables"
])

/** A job that failed may want its machine looked at. */
const keep = (contract: Contract, record: MachineRecord.MachineRecord, { gitlab }: Configuration) =>
  Effect.gen(function* () {
    const wishes = yield* Effect.option(Wishes.read(contract))
    if (Option.isNone(wishes) || !wishes.value.keep) return
    if (gitlab.keep === "never")
      return yield* Say.note("redd: REDD_KEEP asks to keep the machine, which this runner does not allow")
    const untilMs = (yield* Clock.currentTimeMillis) + Duration.toMillis(gitlab.keepFor)
    yield* Machine.keep(record, untilMs)
    const until = new Date(untilMs).toISOString().slice(0, 16).replace("T", " ")
    const reach = ["--root", record.root, "--id", record.id]
    yield* Say.note(
      [
        `redd: the machine is kept until about ${until} UTC. On the runner's host:`,
        Tool.commandLine("redd", ["shell", ...reach]),
        Tool.commandLine("redd", ["cleanup", ...reach])
      ].join("\n  ")
    )
  })
