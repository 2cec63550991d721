/** Whole jobs of GitLab's: what is done, what is said, and whose failure it is. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { runnerOf } from "../gitlab/Toml.ts"
import { isWhole, partOf } from "../suite/part.ts"
import { makeRepository, play, playOne, type Result, stageOf } from "./Gitlab.ts"
import { fullSuite, lab, left, type State, state, succeeds, tinyImage } from "./Lab.ts"

const atOnce = isWhole ? 20 : 8

let here: State
beforeAll(async () => {
  here = state(lab(fullSuite()), "btrfs")
  await makeRepository(here)
})
afterAll(async () => assert.deepStrictEqual(await left(here), []))

let jobs = 1000
const job = (...script: ReadonlyArray<string>) => ({ id: jobs++, script, withoutSources: true })

describe("redd gitlab toml", () => {
  it("is TOML, names what exists, and calls every stage", async () => {
    const said = await succeeds(
      here.redd(
        "gitlab",
        "toml",
        "--name",
        'a "b"',
        "--url",
        "https://gitlab.example.com",
        "--token",
        "glrt-x",
        "--default-image",
        "git",
        "--concurrency",
        "3"
      )
    )
    const runner = runnerOf(said.stdout)
    assert.deepInclude(runner, {
      name: 'a "b"',
      url: "https://gitlab.example.com",
      token: "glrt-x",
      executor: "custom",
      limit: 3
    })
    for (const stage of ["config", "prepare", "run", "cleanup"] as const) {
      await succeeds(here.host.run(["test", "-x", runner[stage].program]))
      assert.includeMembers([...runner[stage].args], [stage, here.root])
    }
    const paths = `[ -d ${runner.buildsDir} ] && [ -d ${runner.cacheDir} ]`
    assert.strictEqual((await playOne(here, job(paths), { toml: said.stdout })).verdict.kind, "success")
  })

  it("without a word still is a block that only wants its token", async () => {
    const { stdout } = await succeeds(here.redd("gitlab", "toml"))
    assert.match(stdout, /^# .*token/m)
    assert.strictEqual(runnerOf(stdout).executor, "custom")
  })
})

describe("a whole job", () => {
  it("clones, caches, keeps its file variables to itself, and is told of in its log", async () => {
    const whole = {
      ...job(
        "sh build.sh",
        "cat part/part.txt",
        'cat "$SECRET_FILE"',
        "[ ! -e kept ] || echo found the cache",
        "echo x >kept"
      ),
      withoutSources: false,
      image: "registry.example.com/group/debian:git",
      fileVariables: { SECRET_FILE: "a file's content" },
      cache: ["kept"],
      lines: { download_artifacts: ["true"], upload_artifacts_on_success: ["true"] },
      afterScript: ['echo "after: $CI_JOB_STATUS"']
    }
    const again = { ...whole, id: jobs++ }
    const elsewhere = { ...whole, id: jobs++, project: 6 }
    const guarded = { ...whole, id: jobs++, protected: true }
    const [[first] = [], [second, third, fourth] = []] = await play(here, [[whole], [again, elsewhere, guarded]])
    for (const result of [first, second, third, fourth])
      assert.deepStrictEqual(result?.verdict, { kind: "success" }, result?.log)
    assert.deepStrictEqual(
      first?.stages.map(({ code, name }) => [name, code]),
      "config prepare prepare_script get_sources restore_cache download_artifacts build_script after_script archive_cache upload_artifacts_on_success cleanup_file_variables cleanup"
        .split(" ")
        .map((name) => [name, 0])
    )
    for (const words of [
      "built from source",
      "part\n",
      "a file's content",
      "after: success",
      `for "registry.example.com/group/debian:git"`,
      "is ready after"
    ])
      assert.include(first?.log, words)
    const cleanup = first?.stages.at(-1)
    assert.strictEqual(`${cleanup?.stdout}${cleanup?.stderr}`, "")
    // A cache is its project's own, and a protected branch's is not filled by others.
    assert.deepStrictEqual(
      [first, second, third, fourth].map((result) => result?.log.includes("found the cache")),
      [false, true, false, false]
    )
  })

  it("runs without bash, with sh, and is told so once", async () => {
    await tinyImage(here)
    const result = await playOne(here, { ...job("echo ran in $0"), image: "tiny" })
    assert.deepStrictEqual(result.verdict, { kind: "success" })
    assert.strictEqual(JSON.parse(stageOf(result, "config").stdout).shell, "sh")
    assert.strictEqual(result.log.split("has no bash").length, 2)
  })

  it("sees the host's gitlab-runner, and cannot change it", async () => {
    // Held by redd itself: the host's systemd does not see mounts that are a test's own.
    const file = `${here.root}-standalone.yaml`
    const around = `mount -t tmpfs none /usr/local/bin; cd /usr/local/bin; echo 'engine: standalone' >${file}
printf '#!/bin/sh\necho this is it "$@"\n' >gitlab-runner; chmod 755 gitlab-runner; "$@"`
    const result = await playOne(here, job("gitlab-runner --version", "! echo broken >/usr/local/bin/gitlab-runner"), {
      around,
      environment: { REDD_CONFIG: file }
    })
    assert.deepStrictEqual(result.verdict, { kind: "success" }, result.log)
    assert.include(result.log, "this is it --version")
  })

  it("says what it will miss: services, git, gitlab-runner", async () => {
    const { log } = await playOne(here, { ...job("true"), image: "trixie", services: ["postgres:16", "redis"] })
    for (const words of ["services are not started here: postgres:16, redis", "has no git", "no gitlab-runner"])
      assert.include(log, words)
  })

  it(`${atOnce} at once are all right, and nothing is left`, async () => {
    const together = Array.from({ length: atOnce }, (_, index) => job(`echo I am ${index}`, "[ -d /builds ]"))
    const [results = []] = await play(here, [together])
    assert.deepStrictEqual(
      results.map(({ verdict }) => verdict.kind),
      together.map(() => "success")
    )
    for (const [index, { log }] of results.entries()) assert.include(log, `I am ${index}\n`)
    assert.deepStrictEqual(await left(here), [])
  })

  it("of two GitLabs with one number each has its own", async () => {
    const id = jobs++
    const script = ["echo mine >/srv/mine; sleep 1; [ $(ls /srv | wc -l) = 1 ]"]
    const [results = []] = await play(here, [
      ["a.example", "b.example"].map((server) => ({ id, server, script, withoutSources: true }))
    ])
    assert.deepStrictEqual(
      results.map(({ verdict }) => verdict.kind),
      ["success", "success"]
    )
  })
})

describe("whose failure it is", () => {
  it.each(partOf([1, 2, 3, 124, 125, 126, 127, 128, 130, 133, 137, 143, 255]))(
    "exit %i is the job's, with that code",
    async (code) => {
      const result = await playOne(here, { ...job(`exit ${code}`), afterScript: ["true"] })
      assert.deepStrictEqual(result.verdict, { kind: "script_failure", code }, result.log)
      // What comes after has a verdict of its own.
      const rest = result.stages.slice(result.stages.findIndex(({ name }) => name === "build_script") + 1)
      assert.deepStrictEqual(
        rest.map(({ name }) => name),
        ["after_script", "cleanup_file_variables", "cleanup"]
      )
      for (const stage of rest) assert.deepInclude(stage, { code: 0 }, stage.name)
      for (const stage of rest.filter(({ name }) => name !== "cleanup")) assert.isUndefined(stage.file, stage.name)
    }
  )

  const endings: ReadonlyArray<readonly [what: string, script: string, verdict: Result["verdict"], says: string]> = [
    ["a command that is not there", "no-such-command", { kind: "script_failure", code: 127 }, "no-such-command"],
    ["a signal in the script", "kill -SEGV $BASHPID", { kind: "script_failure", code: 139 }, ""],
    [
      "its own shell killed",
      "kill -KILL $PPID; kill -KILL $$; sleep 9",
      { kind: "script_failure", code: 137 },
      "SIGKILL"
    ],
    [
      "its machine powered off",
      "systemctl poweroff --force --force; sleep 60",
      { kind: "system_failure" },
      "the machine went away"
    ]
  ]
  it.each(endings)("%s", async (_, script, verdict, says) => {
    const result = await playOne(here, job(script))
    assert.deepStrictEqual(result.verdict, verdict, result.log)
    assert.include(stageOf(result, "build_script").stderr, says)
    assert.deepStrictEqual(await left(here), [])
  })

  it("a unit that somebody stops is not the job's", async () => {
    const one = job("echo begun; sleep 60")
    const played = playOne(here, one)
    const unit = `systemctl list-units --no-legend --plain 'redd-job${one.id}*.service' | cut -d' ' -f1`
    const script = `until u=$(${unit}); [ -n "$u" ] && [ -n "$(ls -d /sys/fs/cgroup/*/machine.slice/$u/payload/system.slice/redd-door.service/[0-9]* /sys/fs/cgroup/machine.slice/$u/payload/system.slice/redd-door.service/[0-9]* 2>/dev/null)" ]; do sleep 0.05; done; systemctl kill --signal=KILL $u`
    await succeeds(here.host.run(["/bin/sh", "-c", script]))
    assert.deepStrictEqual((await played).verdict, { kind: "system_failure" })
  })

  it("a failing after_script fails nothing", async () => {
    const result = await playOne(here, { ...job("true"), afterScript: ["exit 7"] })
    assert.deepStrictEqual(result.verdict, { kind: "success" })
    assert.strictEqual(stageOf(result, "after_script").file, "7\n")
  })

  it("a failure in any stage has its code, a stage that nobody knows among them", async () => {
    for (const stage of [
      "prepare_script",
      "get_sources",
      "download_artifacts",
      "step_of_tomorrow",
      "cleanup_file_variables"
    ]) {
      const extraStages = ["step_of_tomorrow"]
      const result = await playOne(here, { ...job("true"), extraStages, lines: { [stage]: ["exit 42"] } })
      assert.deepInclude(stageOf(result, stage), { code: 1, file: "42\n" }, stage)
    }
  })

  it("a runner older than the exit-code file has the failure all the same", async () => {
    const result = await playOne(here, { ...job("exit 9"), isOldRunner: true })
    assert.deepStrictEqual(result.verdict, { kind: "script_failure", code: 1 })
  })
})
