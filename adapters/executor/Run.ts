/** The `run` stage: one of the job's scripts. Called a dozen times for each job, so nothing here loads what it does not need. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Machine, type MachineRecord, Records } from "../../src/index.ts"
import type { Configuration } from "../terminal/Configuration.ts"
import * as Here from "../terminal/Here.ts"
import * as Say from "../terminal/Say.ts"
import type { Contract } from "./Contract.ts"
import * as Job from "./Job.ts"
import { judge, stage } from "./Verdict.ts"
import * as Wishes from "./Wishes.ts"

export interface Options {
  readonly script: string
  /** GitLab's name of the stage. */
  readonly name: string
  readonly shell: string | undefined
  /** Of the machine; else it is the job's. */
  readonly id?: MachineRecord.MachineId | undefined
}

/** Runs a script in the job's machine. Whatever its name is: GitLab adds stages. */
export const run = (options: Options, settings: Configuration) =>
  stage(
    (contract) =>
      Effect.gen(function* () {
        const record = yield* Machine.attach(yield* Job.machineId(contract))
        const content = yield* Here.readScript(options.script)
        yield* Effect.logDebug(`stage ${options.name} in ${record.id}`)
        const decides = !bystanders.has(options.name)
        // The job goes on: what failed before was tried again.
        if (decides && record.keptUntilMs !== undefined) yield* Machine.keep(record, undefined)
        const ended = yield* Here.run(
          record,
          { _tag: "Script", content, shell: options.shell ?? settings.gitlab.shell },
          { grace: settings.grace }
        )
        const verdict = judge(ended, record)
        if (verdict._tag === "BuildFailure" && decides) yield* keep(contract, record, settings)
        return verdict
      }).pipe(Effect.provide(Records.layer(settings.root))),
    options.id
  )

/** Stages whose failure is not the job's. */
const bystanders: ReadonlySet<string> = new Set([
  "restore_cache",
  "after_script",
  "archive_cache",
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
    yield* Say.note(
      `redd: the machine is kept until ${until} UTC; on the runner's host: redd shell --id ${record.id}, redd cleanup --id ${record.id}`
    )
  })
