/** The `config` stage: what GitLab Runner shall know of the machine before there is one. */
import * as Effect from "effect/Effect"
import { Host, Machine } from "../../src/index.ts"
import type { Configuration } from "../terminal/Configuration.ts"
import * as Say from "../terminal/Say.ts"
import { version } from "../terminal/Version.ts"
import * as Choice from "./Choice.ts"
import { machineIdVariable } from "./Contract.ts"
import * as Job from "./Job.ts"
import { type Call, stage, type Verdict } from "./Verdict.ts"

/**
 * Prints the JSON that a driver may print. Called by hand, with no job, it leaves out what is a job's.
 *
 * GitLab Runner writes its scripts for the shell that is named here: `sh` for an image that has no bash.
 */
export const config = <E, R>(call: Call<E, R>, flags: Choice.Flags) =>
  stage(call, (contract, settings) =>
    Effect.gen(function* () {
      const { buildsDir, cacheDir, shell } = settings.gitlab
      const hasJob = contract.responseFile !== undefined || contract.variable("CI_JOB_ID") !== undefined
      const job = hasJob ? yield* Job.read(contract) : undefined
      const needsSh = job !== undefined && shell === undefined && (yield* lacksBash(job, flags, settings))
      yield* Say.result(
        JSON.stringify({
          driver: { name: "redd", version },
          builds_dir: buildsDir,
          cache_dir: cacheDir,
          builds_dir_is_shared: false,
          // Of the host: GitLab Runner's log says that a job runs on its machine, "via" this.
          hostname: Host.name(),
          ...(shell === undefined ? (needsSh ? { shell: "sh" } : {}) : { shell }),
          job_env: job === undefined ? {} : { [machineIdVariable]: job.id }
        })
      )
      return { _tag: "Success" } satisfies Verdict
    })
  )

/** What is wrong with the image is for prepare to say. */
const lacksBash = (job: Job.Job, flags: Choice.Flags, settings: Configuration) =>
  Choice.choose(job, flags, settings).pipe(
    Effect.flatMap(({ image }) => Effect.map(Choice.has(image, "bash"), (found) => !found)),
    Effect.provide(Machine.layer(settings.root)),
    Effect.orElseSucceed(() => false)
  )
