/**
 * The job that a stage belongs to: whose machine it is, what it wants, what it may see.
 *
 * All of it comes from the job response, which GitLab wrote. Of variables, which anybody may forge who can start a
 * pipeline, it takes what a runner without a job response leaves it no choice about.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { Files, MachineRecord } from "../../src/index.ts"
import type { Contract } from "./Contract.ts"

/** Nothing says which job this is. */
export class JobUnknown extends Schema.TaggedError<JobUnknown>()("JobUnknown", { reason: Schema.String }) {
  override get message(): string {
    return `There is no job to work for: ${this.reason}.`
  }
  get hint(): string {
    return "this command is GitLab Runner's to call: put what redd gitlab toml prints into its config.toml"
  }
}

export interface Job {
  readonly id: MachineRecord.MachineId
  /** What it wrote after `image:`, variables put in. */
  readonly image: string | undefined
  /** What it wrote under `services:`. */
  readonly services: ReadonlyArray<string>
  /** Where its caches are kept: a folder for each server, project and kind of branch; as many parts of a path. */
  readonly cache: ReadonlyArray<string> | undefined
  /** How long it may take. */
  readonly timeoutSeconds: number
  /** GitLab said all this, and not variables. */
  readonly isTrusted: boolean
}

/** What we read of a job response (common/spec of GitLab Runner). What we do not know is left alone. */
const Response = Schema.Struct({
  id: Schema.optional(Schema.NullOr(Schema.Int)),
  job_info: Schema.optional(
    Schema.NullOr(
      Schema.Struct({
        project_id: Schema.optional(Schema.NullOr(Schema.Int)),
        project_full_path: Schema.optional(Schema.NullOr(Schema.String))
      })
    )
  ),
  git_info: Schema.optional(
    Schema.NullOr(
      Schema.Struct({
        repo_url: Schema.optional(Schema.NullOr(Schema.String)),
        protected: Schema.optional(Schema.NullOr(Schema.Boolean))
      })
    )
  ),
  runner_info: Schema.optional(Schema.NullOr(Schema.Struct({ timeout: Schema.optional(Schema.NullOr(Schema.Int)) }))),
  image: Schema.optional(Schema.NullOr(Schema.Struct({ name: Schema.optional(Schema.NullOr(Schema.String)) }))),
  services: Schema.optional(
    Schema.NullOr(Schema.Array(Schema.Struct({ name: Schema.optional(Schema.NullOr(Schema.String)) })))
  ),
  variables: Schema.optional(
    Schema.NullOr(
      Schema.Array(
        Schema.Struct({
          key: Schema.optional(Schema.NullOr(Schema.String)),
          value: Schema.optional(Schema.NullOr(Schema.String))
        })
      )
    )
  )
})
type Response = typeof Response.Type

/** The machine's id alone: what `run` and `cleanup` need. */
export const machineId = (contract: Contract): Effect.Effect<MachineRecord.MachineId, JobUnknown> =>
  contract.machineId === undefined
    ? Effect.map(read(contract), ({ id }) => id)
    : Effect.mapError(decodeId(contract.machineId), () => new JobUnknown({ reason: "its id is no machine id" }))

/** The job of a stage. */
export const read = (contract: Contract): Effect.Effect<Job, JobUnknown> =>
  Effect.gen(function* () {
    const response = yield* readResponse(contract)
    return yield* describe(contract, response)
  })

/** The same of a response that is in memory; undefined: the runner gave none. */
export const describe = (contract: Contract, response: Response | undefined): Effect.Effect<Job, JobUnknown> =>
  Effect.gen(function* () {
    const given = response === undefined ? contract.variable("CI_SERVER_HOST") : serverOf(response)
    const server = given ?? "gitlab"
    const project = response?.job_info?.project_id
    const branches = response?.git_info?.protected === true ? "protected" : "unprotected"
    const timeout = response?.runner_info?.timeout || defaultTimeoutSeconds
    return {
      id: contract.machineId === undefined ? yield* idOf(contract, response, server) : yield* machineId(contract),
      image: imageOf(contract, response),
      services: (response?.services ?? []).flatMap(({ name }) => name ?? []),
      cache: isId(project) ? [plain(server), String(project), branches] : undefined,
      timeoutSeconds: response === undefined ? longestTimeoutSeconds : timeout,
      isTrusted: response !== undefined
    }
  })

/** Job, runner and server in one: of two jobs whose machines may be on this host, one of the three differs. */
const idOf = (contract: Contract, response: Response | undefined, server: string) =>
  Effect.gen(function* () {
    const jobId = response === undefined ? Number(contract.variable("CI_JOB_ID")) : response.id
    const runnerId = Number(contract.variable("CI_RUNNER_ID"))
    if (!isId(jobId))
      return yield* new JobUnknown({ reason: "neither a job response nor CUSTOM_ENV_CI_JOB_ID is there" })
    const runner = isId(runnerId) ? [`runner-${runnerId}`] : []
    return MachineRecord.MachineId.make([`job-${jobId}`, ...runner, plain(server).slice(0, 150)].join("."))
  })

/** A response in a text, or what is wrong with it. */
export const parse = (file: string, text: string): Effect.Effect<Response, JobUnknown> =>
  Effect.mapError(decodeResponse(text), (error) => {
    const { issues } = SchemaIssue.makeFormatterStandardSchemaV1()(error.issue)
    // Never what it holds: it has the job's token.
    const where = issues.map(({ path }) => (path ?? []).map(String).join(".")).filter((path) => path !== "")
    return new JobUnknown({
      reason: `the job response ${file} is ${where.length === 0 ? "not JSON" : `not what GitLab sends, at ${where.join(", ")}`}`
    })
  })

const readResponse = (contract: Contract) =>
  Effect.gen(function* () {
    const file = contract.responseFile
    if (file === undefined) return undefined
    const unreadable = (reason: string) => new JobUnknown({ reason: `the job response ${file} ${reason}` })
    const text = yield* Effect.mapError(Files.readText(file), (error) =>
      unreadable(`cannot be read: ${Files.explain(error)}`)
    )
    if (Option.isNone(text)) return yield* unreadable("is not there")
    return yield* parse(file, text.value)
  })

/**
 * What is after `image:`. GitLab Runner puts the job's variables into it for other executors, and leaves the job response
 * as it came: so do we.
 */
const imageOf = (contract: Contract, response: Response | undefined): string | undefined => {
  if (response === undefined) return contract.variable("CI_JOB_IMAGE")
  const name = response.image?.name ?? ""
  const variables = new Map(response.variables?.map(({ key, value }) => [key, value ?? ""]))
  const expanded = name.replaceAll(
    /\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))/g,
    (_, braced: string | undefined, bare: string | undefined) => variables.get(braced ?? bare) ?? ""
  )
  return expanded.trim() === "" ? undefined : expanded
}

/** GitLab's own address, out of a repository's: host, port, and the path below which it is, without the credentials. */
const serverOf = ({ git_info, job_info }: Response): string | undefined => {
  const address = git_info?.repo_url ?? ""
  if (!URL.canParse(address)) return undefined
  const { host, pathname } = new URL(address)
  const project = `/${job_info?.project_full_path ?? ""}.git`
  return host === "" ? undefined : `${host}${pathname.endsWith(project) ? pathname.slice(0, -project.length) : ""}`
}

/** A server as a part of a path and of an id: host names need no more characters, and a port's colon has one of its own. */
const plain = (server: string): string =>
  server
    .toLowerCase()
    .replaceAll(":", "+")
    .replaceAll(/[^a-z0-9.+-]/g, "_")
    .replace(/^\./, "_")

/** GitLab Runner's own where GitLab names none (GetBuildTimeout in common/build.go); where nobody says, the longest that is usual. */
const defaultTimeoutSeconds = 7200
const longestTimeoutSeconds = 86_400

const isId = Schema.is(Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0))))
const decodeId = Schema.decodeUnknownEffect(MachineRecord.MachineId)
const decodeResponse = Schema.decodeUnknownEffect(Schema.fromJsonString(Response), { errors: "all" })
