/** Jobs that end before their time: cancelled in every stage, killed, forgotten, kept. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { configured, type Job, makeRepository, play, playOne, stageOf } from "./Gitlab.ts"
import { fullSuite, lab, left, type State, state, succeeds } from "./Lab.ts"

let here: State
beforeAll(async () => {
  here = state(lab(fullSuite()), "btrfs")
  await makeRepository(here)
})
afterAll(async () => assert.deepStrictEqual(await left(here), []))

let jobs = 2000
const job = (...script: ReadonlyArray<string>) => ({ id: jobs++, script, withoutSources: true })
const stages =
  "prepare_script get_sources restore_cache download_artifacts build_script after_script archive_cache upload_artifacts_on_success cleanup_file_variables".split(
    " "
  )
const hanging = (stage: string, kind: "canceled" | "canceling"): Job => ({
  ...job("true"),
  lines: { [stage]: ["echo hanging; sleep 600 & wait; sleep 600"] },
  afterScript: ['echo "after: $CI_JOB_STATUS"'],
  cancel: { stage, kind, says: "hanging" }
})

interface Row {
  readonly id: string
  readonly machine: string
  readonly keptUntil?: string
  readonly expires?: string
}
const rows = async (): Promise<ReadonlyArray<Row>> => JSON.parse((await here.redd("list", "--json")).stdout)
const collected = async (): Promise<ReadonlyArray<{ readonly id: string; readonly reason: string }>> =>
  JSON.parse((await succeeds(here.redd("gc", "--json"))).stdout).released
/** As if that moment had come. */
const pass = () =>
  succeeds(
    here.host.run([
      "/bin/sh",
      "-c",
      `sed -i -E 's/"(keptUntilMs|expiresMs)":[0-9]*/"\\1":1/g' "$0"/records/*.json`,
      here.root
    ])
  )

describe("a cancelled job", () => {
  it.each(["canceled", "canceling"] as const)("in each stage leaves nothing: %s", async (kind) => {
    const [results = []] = await play(here, [stages.map((stage) => hanging(stage, kind))])
    for (const [index, result] of results.entries()) {
      const stage = stages[index] ?? ""
      assert.deepStrictEqual(result.verdict, { kind: "canceled" }, result.log)
      const ended = stageOf(result, stage)
      assert.deepInclude(ended, { code: 2 }, stage)
      assert.isUndefined(ended.file)
      assert.include(ended.stderr, "GitLab ended this stage")
      assert.strictEqual(
        result.log.includes("after: canceled"),
        kind === "canceling" && stage === "build_script",
        stage
      )
      assert.strictEqual(stageOf(result, "cleanup").code, 0)
    }
    assert.deepStrictEqual(await left(here), [])
  })

  it("while it is prepared leaves nothing: at once, and with the machine half made", async () => {
    const moments = [{ says: "redd: image" }, { entryIn: `${here.root}/machines` }]
    for (const moment of moments) {
      const one = { ...job("true"), cancel: { stage: "prepare", kind: "canceled", ...moment } } as const
      const result = await playOne(here, one)
      assert.deepStrictEqual(result.verdict, { kind: "canceled" }, result.log)
      assert.deepStrictEqual(
        result.stages.map(({ name }) => name),
        ["config", "prepare", "cleanup"]
      )
      assert.deepInclude(stageOf(result, "prepare"), { code: 2 })
      assert.include(stageOf(result, "prepare").stderr, "GitLab ended this stage before the machine was ready")
      assert.deepInclude(stageOf(result, "cleanup"), { code: 0, stderr: "" })
      assert.deepStrictEqual(await left(here), [])
    }
  })

  it("has the grace that its script's trap wants, and is heard to its end", async () => {
    const script = `trap 'for n in 1 2 3 4; do echo tidying $n; sleep 0.2; done; exit 3' TERM; echo hanging; sleep 600 & wait`
    const result = await playOne(here, {
      ...job(script),
      cancel: { stage: "build_script", kind: "canceled", says: "hanging" }
    })
    assert.include(result.log, "tidying 4")
  })

  it("that ignores SIGTERM is killed after its grace", async () => {
    const environment = await configured(here, "short", "grace: 500ms\n")
    const script = `trap '' TERM; echo hanging; setsid sh -c 'trap "" TERM; sleep 600' & sleep 600`
    const cancel = { stage: "build_script", kind: "canceled", says: "hanging" } as const
    const result = await playOne(here, { ...job(script), cancel }, { environment })
    assert.deepStrictEqual(result.verdict, { kind: "canceled" })
    assert.deepStrictEqual(await left(here), [])
  })

  it("whose driver is killed with SIGKILL leaves nothing after cleanup", async () => {
    const environment = await configured(here, "long", "grace: 10m\n")
    const { stdout } = await succeeds(here.reddWith({ environment }, "gitlab", "toml", "--default-image", "git"))
    const toml = stdout.replace(/graceful_kill_timeout = \d+/, "graceful_kill_timeout = 1")
    const cancel = { stage: "build_script", kind: "canceled", says: "hanging" } as const
    const result = await playOne(
      here,
      { ...job("trap '' TERM; echo hanging; while :; do sleep 1; done"), cancel },
      { environment, toml }
    )
    assert.strictEqual(stageOf(result, "build_script").signal, "SIGKILL")
    assert.strictEqual(stageOf(result, "cleanup").code, 0)
    assert.deepStrictEqual(await left(here), [])
  })
})

describe("prepare", () => {
  it("that takes longer than it may is ended, tried again twice, and leaves nothing", async () => {
    const { stdout } = await succeeds(here.redd("gitlab", "toml", "--default-image", "trixie"))
    const toml = stdout.replace("prepare_exec_timeout = 600", "prepare_exec_timeout = 0.1")
    const result = await playOne(here, job("true"), { toml })
    assert.deepStrictEqual(result.verdict, { kind: "system_failure" })
    assert.strictEqual(result.stages.filter(({ name }) => name === "prepare").length, 3)
    assert.deepStrictEqual(await left(here), [])
  })

  it("makes the machine anew where one of this job is there already", async () => {
    const one = { ...job("[ ! -e /srv/earlier ]; echo >/srv/earlier"), withoutCleanup: true }
    const [[first] = [], [second] = []] = await play(here, [[one], [{ ...one, withoutCleanup: false }]])
    assert.deepStrictEqual([first?.verdict.kind, second?.verdict.kind], ["success", "success"], second?.log)
    assert.include(second?.log, "made anew")
  })
})

describe("a machine that outlives its job", () => {
  it("is kept when it failed and may be, said how to enter, and is gc's after its time", async () => {
    const environment = await configured(here, "keep", "gitlab: { keep: on-failure, keep-for: 30m }\n")
    const variables = { REDD_KEEP: "on-failure" }
    const [results = []] = await play(
      here,
      [
        [
          { ...job("echo >/srv/evidence; exit 4"), variables },
          { ...job("true"), variables, afterScript: ["exit 1"] }
        ]
      ],
      { environment }
    )
    const [failed, fine] = results
    assert.deepStrictEqual(failed?.verdict, { kind: "script_failure", code: 4 })
    assert.deepStrictEqual(fine?.verdict, { kind: "success" })
    const [row, ...others] = await rows()
    assert.deepStrictEqual(others, [])
    assert.include(failed?.log, `redd shell --root ${here.root} --id ${row?.id}`)
    assert.isString(row?.keptUntil)
    await succeeds(here.redd("exec", "--id", row?.id ?? "", "--", "test", "-e", "/srv/evidence"))
    assert.deepStrictEqual(await collected(), [])
    await pass()
    assert.deepStrictEqual(await collected(), [{ id: row?.id ?? "", reason: "expired" }])
    assert.deepStrictEqual(await left(here), [])
  })

  it("is not kept where that is not allowed, where nobody asked, or where a second try went well", async () => {
    const environment = await configured(here, "keep", "gitlab: { keep: on-failure }\n")
    const variables = { REDD_KEEP: "on-failure" }
    const refused = await playOne(here, { ...job("exit 4"), variables })
    assert.include(refused.log, "does not allow")
    await playOne(here, job("exit 4"), { environment })
    const again = {
      ...job("true"),
      variables,
      lines: { get_sources: ["[ -e /srv/tried ] || { echo >/srv/tried; exit 1; }"] }
    }
    const retried = await playOne(here, { ...again, tries: { get_sources: 2 } }, { environment })
    assert.deepStrictEqual(retried.verdict, { kind: "success" })
    assert.deepStrictEqual(await rows(), [])
  })

  it("whose runner was killed is gc's when the job's time is over", async () => {
    const result = await playOne(here, { ...job("true"), withoutCleanup: true, timeoutSeconds: 600 })
    assert.deepStrictEqual(result.verdict, { kind: "success" })
    const [row] = await rows()
    assert.approximately((Date.parse(row?.expires ?? "") - Date.now()) / 60_000, 70, 2)
    assert.deepStrictEqual(await collected(), [])
    await pass()
    assert.deepStrictEqual(
      (await collected()).map(({ reason }) => reason),
      ["expired"]
    )
  })
})

describe("cleanup", () => {
  it("is a success with nothing there, twice, and without a job, which it says", async () => {
    const environment = { CUSTOM_ENV_CI_JOB_ID: "1" }
    for (let times = 0; times < 2; times++) {
      const { stderr } = await succeeds(here.reddWith({ environment }, "gitlab", "cleanup"))
      assert.strictEqual(stderr, "")
    }
    assert.include((await succeeds(here.redd("gitlab", "cleanup"))).stderr, "There is no job to work for")
  })

  it("that cannot remove all of it says what is left, and fails nothing", async () => {
    const one = { ...job("true"), withoutCleanup: true }
    await playOne(here, one)
    const [row] = await rows()
    const folder = `${here.root}/machines/${row?.machine}`
    await succeeds(here.host.run(["/bin/sh", "-c", `mkdir ${folder}/busy && mount -t tmpfs none ${folder}/busy`]))
    const environment = { REDD_GITLAB_ID: row?.id ?? "" }
    const { stderr } = await succeeds(here.reddWith({ environment }, "gitlab", "cleanup"))
    assert.include(stderr, "redd gc")
    await succeeds(here.host.run(["umount", `${folder}/busy`]))
    assert.strictEqual((await succeeds(here.reddWith({ environment }, "gitlab", "cleanup"))).stderr, "")
  })
})
