/**
 * GitLab Runner's part, played to the letter: what it starts, with which environment, in which order, how it reads an
 * exit code, how it ends a stage (executors/custom and helpers/process of GitLab Runner 19.4; its documentation).
 *
 * Runs on a lab's host. Reads an order on standard input, and answers with a result for each job. Repositories are served
 * by HTTP for as long as it runs.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import type { Job, Order, Result, Stage, Verdict } from "./Order.ts"
import { type Call, runnerOf } from "./Toml.ts"

/** What a driver's `config` may say. */
interface Given {
  readonly builds_dir?: string
  readonly cache_dir?: string
  readonly job_env?: Readonly<Record<string, string>>
}

/** How one call of the driver ended, as the runner reads it. */
type End =
  | { readonly kind: "ok" }
  | { readonly kind: "cancelled" }
  | Exclude<Verdict, { readonly kind: "success" | "canceled" }>

const order: Order = JSON.parse(readFileSync(0, "utf8"))
const runner = runnerOf(order.toml)

const server = createServer((request, response) => {
  const path = new URL(request.url ?? "/", "http://x").pathname
  const file = `${order.repositories}${path}`
  if (path.includes("..") || !existsSync(file)) response.writeHead(404).end()
  else response.end(readFileSync(file))
})
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
const { port } = server.address() as AddressInfo

/** A word that no shell changes. */
const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

const play = async (job: Job): Promise<Result> => {
  const stages: Array<Stage> = []
  let cancelled = false
  let folder = ""
  let given: Given = {}
  const address = `http://127.0.0.1:${port}`
  const variables = (status: string): Readonly<Record<string, string>> => ({
    ...(job.image === undefined ? {} : { CI_JOB_IMAGE: job.image }),
    CI_JOB_ID: String(job.id),
    CI_JOB_STATUS: status,
    CI_RUNNER_ID: String(job.runner ?? 1),
    CI_SERVER_HOST: job.server ?? "127.0.0.1",
    CI_PROJECT_ID: String(job.project ?? 5),
    CI_BUILDS_DIR: buildsDir(),
    CI_PROJECT_DIR: projectDir(),
    CI_JOB_SERVICES:
      job.services === undefined ? "" : JSON.stringify(job.services.map((name) => ({ name, alias: "" }))),
    ...job.variables,
    ...job.fileVariables
  })
  const buildsDir = () => given.builds_dir ?? runner.buildsDir
  const projectDir = () => `${buildsDir()}/group/project`

  /** The job as GitLab sends it. */
  const response = () =>
    job.response ??
    JSON.stringify({
      id: job.id,
      token: "glcbt-64_secret",
      allow_git_fetch: true,
      job_info: { id: job.id, name: "job", stage: "test", project_id: job.project ?? 5, project_name: "project" },
      git_info: {
        repo_url: `http://gitlab-ci-token:glcbt-64_secret@${job.server ?? `127.0.0.1:${port}`}/project.git`,
        ref: "main",
        protected: job.protected ?? false
      },
      runner_info: { timeout: job.timeoutSeconds ?? 3600 },
      image: { name: job.image ?? "" },
      services: (job.services ?? []).map((name) => ({ name })),
      variables: Object.entries({ ...job.variables }).map(([key, value]) => ({ key, value, public: true })),
      steps: [],
      artifacts: null,
      cache: []
    })

  const newFolder = () => {
    folder = mkdtempSync(`${tmpdir()}/custom-executor`)
    if (job.response !== "none") writeFileSync(`${folder}/response.json`, response(), { mode: 0o600 })
  }

  const call = (
    name: string,
    { args, program, timeoutSeconds }: Call,
    status: string
  ): Promise<{ readonly end: End; readonly stdout: string }> =>
    new Promise((resolve, reject) => {
      const exitCodeFile = `${folder}/build_exit_code`
      const environment: Record<string, string> = {
        PATH: process.env["PATH"] ?? "",
        ...order.environment,
        TMPDIR: folder,
        BUILD_FAILURE_EXIT_CODE: "1",
        SYSTEM_FAILURE_EXIT_CODE: "2",
        ...(job.isOldRunner ? {} : { BUILD_EXIT_CODE_FILE: exitCodeFile }),
        ...(job.response === "none" ? {} : { JOB_RESPONSE_FILE: `${folder}/response.json` }),
        ...given.job_env,
        ...Object.fromEntries(Object.entries(variables(status)).map(([key, value]) => [`CUSTOM_ENV_${key}`, value]))
      }
      // A process group of its own: that is what the runner kills.
      const child = spawn(program, args, {
        cwd: folder,
        env: environment,
        detached: true,
        stdio: ["ignore", "pipe", "pipe"]
      })
      let stdout = ""
      let stderr = ""
      let characters = 0
      let ending: "cancel" | "timeout" | undefined
      const end = (why: "cancel" | "timeout") => {
        if (ending !== undefined) return
        ending = why
        if (why === "cancel") cancelled = true
        signalGroup(child, "SIGTERM")
        timers.push(setTimeout(() => signalGroup(child, "SIGKILL"), runner.gracefulKillSeconds * 1000))
      }
      const timers = [setTimeout(() => end("timeout"), timeoutSeconds * 1000)]
      const { cancel } = job
      const wantsCancel = !cancelled && cancel?.stage === name
      const look = () => {
        if (!wantsCancel) return
        if (cancel.says !== undefined && `${stdout}${stderr}`.includes(cancel.says)) end("cancel")
        if (cancel.entryIn !== undefined && existsSync(cancel.entryIn) && readdirSync(cancel.entryIn).length > 0)
          end("cancel")
      }
      const watch = setInterval(look, 5)
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        characters += text.length
        stdout = lastOf(stdout + text)
        look()
      })
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr = lastOf(stderr + text)
        look()
      })
      child.on("error", reject)
      child.on("close", (code, signal) => {
        clearInterval(watch)
        for (const timer of timers) clearTimeout(timer)
        const file = existsSync(exitCodeFile) ? readFileSync(exitCodeFile, "utf8") : undefined
        stages.push({
          name,
          code: code ?? -1,
          characters,
          ...(signal === null ? {} : { signal }),
          ...(file === undefined ? {} : { file }),
          stdout,
          stderr
        })
        resolve({
          stdout,
          end: ending === undefined ? read(code, file) : { kind: ending === "cancel" ? "cancelled" : "system_failure" }
        })
      })
    })

  const prepare = async (): Promise<End> => {
    newFolder()
    given = {}
    if (runner.config.program !== "") {
      const { end, stdout } = await call("config", runner.config, "running")
      if (end.kind !== "ok") return end
      if (stdout !== "") given = JSON.parse(stdout)
    }
    return (await call("prepare", runner.prepare, "running")).end
  }

  const cleanup = async () => {
    await call("cleanup", runner.cleanup, "running")
    rmSync(folder, { recursive: true, force: true })
  }

  /** The runner does not call a stage that has nothing to do. */
  const run = async (name: string, usual: ReadonlyArray<string>, status = "running"): Promise<End> => {
    const lines = job.lines?.[name] ?? usual
    if (lines.length === 0 && job.verbatim?.[name] === undefined) return { kind: "ok" }
    const exported = Object.entries(variables(status)).map(([key, value]) => `export ${key}=${quote(value)}`)
    const body = [...exported, ...fileVariables(), ...lines].join("\n")
    const script = job.verbatim?.[name] ?? wrap(body)
    const scriptFolder = mkdtempSync(`${folder}/script`)
    const path = `${scriptFolder}/script`
    writeFileSync(path, script, { mode: 0o700 })
    if (job.withoutScript === name) rmSync(path)
    const { args, ...rest } = runner.run
    const { end } = await call(name, { ...rest, args: [...args, path, name] }, status)
    const tried = stages.filter((stage) => stage.name === name).length
    if (end.kind !== "script_failure" || tried >= (job.tries?.[name] ?? 1)) return end
    if (name === "get_sources") await run("clear_worktree", ["true"])
    return await run(name, usual, status)
  }

  /** As the runner writes them: their content beside the project, the variable the path. */
  const fileVariables = () =>
    Object.entries(job.fileVariables ?? {}).flatMap(([key, value]) => [
      `mkdir -p ${quote(`${projectDir()}.tmp`)}`,
      `printf '%s' ${quote(value)} >${quote(`${projectDir()}.tmp/${key}`)}`,
      `export ${key}=${quote(`${projectDir()}.tmp/${key}`)}`
    ])

  const sources = (): ReadonlyArray<string> => [
    `mkdir -p ${quote(projectDir())}`,
    `git init -q ${quote(projectDir())}`,
    `cd ${quote(projectDir())}`,
    `git remote add origin ${address}/project.git 2>/dev/null || git remote set-url origin ${address}/project.git`,
    "git fetch -q origin +refs/heads/main:refs/remotes/origin/main",
    "git checkout -f -q origin/main",
    "git clean -ffdxq",
    "git submodule update --init --recursive -q"
  ]
  const inProject = (lines: ReadonlyArray<string>) => [
    `mkdir -p ${quote(projectDir())}; cd ${quote(projectDir())}`,
    ...lines
  ]
  const cacheFile = () => `${given.cache_dir ?? runner.cacheDir}/group/project/key/cache.tar`
  const cached = (lines: ReadonlyArray<string>) => (job.cache === undefined ? [] : inProject(lines))
  const archive = () =>
    cached([
      `mkdir -p ${quote(cacheFile().replace(/\/[^/]*$/, ""))}`,
      `tar -cf ${quote(cacheFile())} ${(job.cache ?? []).map(quote).join(" ")}`
    ])

  /**
   * Everything between prepare and cleanup, in the order of common/build.go. What fails first is the job's verdict. A job
   * that is being cancelled (`canceling`) goes on after its script alone; elsewhere it is cancelled at once.
   */
  const stagesOfJob = async (): Promise<End> => {
    const prepared = await run("prepare_script", ['echo "Running on $(cat /proc/sys/kernel/hostname)"'])
    if (prepared.kind !== "ok") return prepared
    const fetched = await inTurn([
      () => run("get_sources", job.withoutSources === true ? ["true"] : sources()),
      () => run("restore_cache", cached([`[ ! -f ${quote(cacheFile())} ] || tar -xf ${quote(cacheFile())}`])),
      () => run("download_artifacts", [])
    ])
    if (cancelled) return fetched
    let ended = fetched
    if (fetched.kind === "ok") {
      ended = await inTurn([
        ...(job.extraStages ?? []).map((name) => () => run(name, ["true"])),
        () => run("build_script", inProject(job.script))
      ])
      if (cancelled && job.cancel?.kind === "canceled") return ended
      const status = cancelled ? "canceled" : ended.kind === "ok" ? "success" : "failed"
      if (job.afterScript !== undefined) {
        const after = await run("after_script", inProject(job.afterScript), status)
        if (after.kind === "cancelled") return after
        if (ended.kind === "ok" && job.variables?.["AFTER_SCRIPT_IGNORE_ERRORS"] === "false") ended = after
      }
    }
    const isFine = ended.kind === "ok"
    const status = cancelled ? "canceled" : isFine ? "success" : "failed"
    const last: Array<End> = [ended]
    for (const [name, lines] of isFine
      ? ([
          ["archive_cache", archive()],
          ["upload_artifacts_on_success", []]
        ] as const)
      : ([
          ["archive_cache_on_failure", []],
          ["upload_artifacts_on_failure", []]
        ] as const)) {
      const found = await run(name, lines, status)
      if (found.kind === "cancelled") return found
      last.push(found)
    }
    const files = Object.keys(job.fileVariables ?? {}).map((key) => `rm -f ${quote(`${projectDir()}.tmp/${key}`)}`)
    await run("cleanup_file_variables", ["true", ...files], status)
    return last.find(({ kind }) => kind !== "ok") ?? { kind: "ok" }
  }

  let end: End = { kind: "ok" }
  for (let tries = 1; tries <= 3; tries++) {
    end = await prepare()
    if (end.kind === "ok" || end.kind === "script_failure" || end.kind === "cancelled" || tries === 3) break
    await cleanup()
    await new Promise((resolve) => setTimeout(resolve, order.retryMs ?? 100))
  }
  if (end.kind === "ok") end = await stagesOfJob()
  if (job.withoutCleanup !== true) await cleanup()
  const verdict: Verdict = cancelled
    ? { kind: "canceled" }
    : end.kind === "ok"
      ? { kind: "success" }
      : end.kind === "cancelled"
        ? { kind: "canceled" }
        : end
  return {
    id: job.id,
    verdict,
    stages,
    log: stages
      .filter(({ name }) => name !== "config" && name !== "cleanup")
      .map(({ stderr, stdout }) => stdout + stderr)
      .join("")
  }
}

const keptCharacters = 2 ** 20
/** The end of it; cut now and then, and not for every piece. */
const lastOf = (text: string): string => (text.length > 4 * keptCharacters ? text.slice(-keptCharacters) : text)

/** A script as the runner writes it: an eval in a subshell, TERM answered with exit 1, standard input from nowhere. */
const wrap = (body: string): string =>
  [
    "#!/usr/bin/env bash",
    "",
    "trap 'exit 1' TERM",
    "",
    'case "$(set -o)" in *"pipefail"*) set -o pipefail;; esac; set -o errexit',
    "set +o noclobber",
    `(trap 'exit 1' TERM; eval ${quote(`${body}\n`)}) < /dev/null`,
    "exit 0",
    ""
  ].join("\n")

/** Stage after stage, as long as they succeed. */
const inTurn = async (calls: ReadonlyArray<() => Promise<End>>): Promise<End> => {
  for (const each of calls) {
    const end = await each()
    if (end.kind !== "ok") return end
  }
  return { kind: "ok" }
}

/** What an exit code means to the runner. */
const read = (code: number | null, file: string | undefined): End => {
  if (code === 0) return { kind: "ok" }
  if (code !== 1) return code === 2 ? { kind: "system_failure" } : { kind: "system_failure", unknown: code ?? -1 }
  if (file === undefined) return { kind: "script_failure", code: 1 }
  const [line = ""] = file.split("\n")
  return /^[+-]?\d+$/.test(line) ? { kind: "script_failure", code: Number(line) } : { kind: "system_failure" }
}

const signalGroup = (child: ChildProcess, signal: NodeJS.Signals) => {
  try {
    process.kill(-(child.pid ?? 0), signal)
  } catch {
    // All of the group has ended.
  }
}

const results: Array<ReadonlyArray<Result>> = []
for (const wave of order.waves) results.push(await Promise.all(wave.map(play)))
server.close()
process.stdout.write(JSON.stringify(results))
