/**
 * What GitLab Runner tells a driver of its custom executor: by the environment of each stage.
 *
 * Job variables have the prefix `CUSTOM_ENV_` and are the job's word: whoever may run a pipeline can set any of them. What
 * has no prefix is the runner's, and to be trusted (docs.gitlab.com/runner/executors/custom).
 */
import * as Schema from "effect/Schema"
import type { MachineRecord } from "../../src/index.ts"

/** One stage's environment, as far as it is for the driver. */
export interface Contract {
  /** The exit code that says that the job's own script failed. */
  readonly buildFailureCode: number
  /** The exit code that says that we failed. GitLab may retry the job. */
  readonly systemFailureCode: number
  /** Where the true exit code of a script goes; since GitLab Runner 17.9. */
  readonly exitCodeFile: string | undefined
  /** The job as GitLab sent it, in JSON. */
  readonly responseFile: string | undefined
  /** What the command line, or our own `config` stage, says is the machine's id. */
  readonly machineId: string | undefined
  /** A variable of the job's; undefined where it is absent or empty. */
  variable(name: string): string | undefined
}

/** The variable by which `config` tells later stages the machine's id; GitLab Runner passes it on (`job_env`). */
export const machineIdVariable = "REDD_GITLAB_ID"

/** The contract in an environment. Everything may be absent: a stage may be called by hand, with an id. */
export const read = (
  environment: Readonly<Record<string, string | undefined>>,
  id?: MachineRecord.MachineId
): Contract => {
  const given = (name: string) => environment[name] || undefined
  const code = (name: string, otherwise: number) => {
    const number = Number(given(name))
    return isExitCode(number) ? number : otherwise
  }
  return {
    buildFailureCode: code("BUILD_FAILURE_EXIT_CODE", 1),
    systemFailureCode: code("SYSTEM_FAILURE_EXIT_CODE", 2),
    exitCodeFile: given("BUILD_EXIT_CODE_FILE"),
    responseFile: given("JOB_RESPONSE_FILE"),
    machineId: id ?? given(machineIdVariable),
    variable: (name) => given(`CUSTOM_ENV_${name}`)
  }
}

const isExitCode = Schema.is(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 255 }))))
