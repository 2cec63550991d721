/** What a job, a runner or a person may give the executor that makes no sense, and what a script may do. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { configured, play, playOne, type Result, stageOf } from "./Gitlab.ts"
import { fullSuite, lab, left, peakOf, type State, state, succeeds, tinyImage } from "./Lab.ts"

let here: State
beforeAll(() => {
  here = state(lab(fullSuite()), "btrfs")
})
afterAll(async () => assert.deepStrictEqual(await left(here), []))

let jobs = 3000
const job = (...script: ReadonlyArray<string>) => ({ id: jobs++, script, withoutSources: true, image: "trixie" })
const triesOf = (result: Result) => result.stages.filter(({ name }) => name === "config" || name === "prepare").length

describe("image:", () => {
  it.each(["../../etc", "no-such", "trixie\nx", "x".repeat(10_000), "--help", "$(reboot)"])(
    "%j fits nothing: a system failure that lists what there is",
    async (image) => {
      const result = await playOne(here, { ...job("true"), image })
      assert.deepStrictEqual(result.verdict, { kind: "system_failure" })
      const { stderr } = stageOf(result, "prepare")
      assert.match(
        stderr,
        /^redd: There is no image ".{1,101}"\.\nhint: images here: bare, git, python,( tiny,)? trixie\n$/
      )
    }
  )

  it.each(["", " "])("%j is the default image", async (image) => {
    const result = await playOne(here, { ...job("true"), image })
    assert.include(result.log, "redd: image git")
    assert.deepStrictEqual(result.verdict, { kind: "success" })
  })

  it("none, and no default: said so", async () => {
    const { image: _, ...imageless } = job("true")
    const result = await playOne(here, imageless, { flags: [] })
    assert.deepStrictEqual(result.verdict, { kind: "system_failure" })
    assert.include(result.log, "The job names no image")
  })

  it("may have variables in it, and a map in the configuration goes first", async () => {
    const environment = await configured(here, "map", 'gitlab: { images: { "company/*": trixie } }\n')
    const image = "company/$NAME:latest"
    const result = await playOne(here, { ...job("true"), image, variables: { NAME: "thing" } }, { environment })
    assert.include(result.log, `redd: image trixie, `)
    assert.include(result.log, `for "company/thing:latest"`)
  })

  it("that is not allowed is the job's failure, once, whatever its variables say", async () => {
    const environment = await configured(here, "allowed", 'gitlab: { allowed: ["git", "debian:*"] }\n')
    const [results = []] = await play(
      here,
      [
        [
          { ...job("true"), image: "trixie" },
          { ...job("true"), image: "trixie", variables: { CI_JOB_IMAGE: "git" } },
          { ...job("true"), image: "debian:trixie" },
          { ...job("true"), image: "git", variables: { CI_JOB_IMAGE: "trixie" } },
          { ...job("true"), image: "git", response: "none" }
        ]
      ],
      { environment }
    )
    assert.deepStrictEqual(
      results.map(({ verdict }) => verdict.kind),
      ["script_failure", "script_failure", "success", "success", "script_failure"]
    )
    assert.strictEqual(triesOf(results[0] ?? assert.fail()), 2)
    assert.include(results[0]?.log, `does not allow the image "trixie".\nhint: it allows git, debian:*`)
    assert.include(results[3]?.log, "redd: image git")
  })
})

describe("variables", () => {
  it("arrive unaltered: newlines, equals signs, quotes, 100 kB", async () => {
    const variables = { LINES: "a\nb=c\n'\"$HOME`id`\\", LONG: "x".repeat(100_000), "with.dot": "1", EMPTY: "" }
    const { "with.dot": _, ...shown } = variables
    const script = [`[ "\${#LONG}" = 100000 ]`, 'printf "<%s>" "$LINES"']
    const result = await playOne(here, { ...job(...script), variables: shown })
    assert.deepStrictEqual(result.verdict, { kind: "success" }, result.log.slice(0, 2000))
    assert.include(result.log, `<${variables.LINES}>`)
  })

  it("that are not UTF-8, or have names that no shell takes, do no harm", async () => {
    const script = `env "CUSTOM_ENV_BAD=$(printf '\\377\\376')" 'CUSTOM_ENV_with.dot=1' 'CUSTOM_ENV_=x' CUSTOM_ENV_CI_JOB_ID=31 "$0" gitlab config`
    const { stdout } = await succeeds(
      here.host.run(["/bin/sh", "-c", script, `${here.host.repository}/bin/redd`], {
        environment: { REDD_ROOT: here.root }
      })
    )
    assert.strictEqual(JSON.parse(stdout).job_env.REDD_GITLAB_ID, "job-31.gitlab")
  })

  it("that ask for something which makes no sense are the job's failure", async () => {
    const result = await playOne(here, { ...job("true"), variables: { REDD_MEMORY: "lots" } })
    assert.deepStrictEqual(result.verdict, { kind: "script_failure", code: 1 })
    assert.strictEqual(triesOf(result), 2)
    assert.include(result.log, 'REDD_MEMORY is "lots", which is not a size')
  })

  it("that ask for more than there is get what there is, and are told", async () => {
    const environment = await configured(
      here,
      "most",
      "limits: { memory: 256M }\ngitlab: { network: none, most: { memory: 512M } }\n"
    )
    const variables = { REDD_MEMORY: "8G", REDD_TMP_SIZE: "64M", REDD_NETWORK: "host" }
    const script = ["df -P /tmp | tail -n 1", "! ls /sys/class/net | grep -v '^lo$'"]
    const result = await playOne(here, { ...job(...script), variables }, { environment })
    assert.deepStrictEqual(result.verdict, { kind: "success" }, result.log)
    for (const words of [
      "REDD_MEMORY asks for 8G, and this runner gives at most 512M",
      "memory 512M",
      "/tmp in RAM, 64M",
      "no network",
      "65536"
    ])
      assert.include(result.log, words)
  })
})

describe("a runner's own files", () => {
  it("a configuration that is wrong is a system failure of every stage, and cleanup says so", async () => {
    const environment = { ...(await configured(here, "wrong", "grace: soon\n")), REDD_GITLAB_ID: "x" }
    for (const [stage, code] of [
      ["config", 2],
      ["prepare", 2],
      ["run", 2],
      ["cleanup", 0]
    ] as const) {
      const words = stage === "run" ? ["run", "/etc/hostname", "x"] : [stage]
      const outcome = await here.reddWith({ environment }, "gitlab", ...words)
      assert.strictEqual(outcome.code, code, stage)
      assert.include(outcome.stderr, "The configuration is not valid")
    }
    assert.strictEqual((await here.redd("gitlab", "prepare", "--bogus")).code, 2)
    assert.strictEqual((await here.redd("run", "--id", "gitlab", "--bogus")).code, 125)
  })

  it("a shell that the configuration names and the image lacks is a system failure", async () => {
    const environment = await configured(here, "shell", "gitlab: { shell: bash }\n")
    await tinyImage(here)
    const result = await playOne(here, { ...job("true"), image: "tiny" }, { environment })
    assert.deepStrictEqual(result.verdict, { kind: "system_failure" })
    assert.include(result.log, 'Image "tiny" has no bash')
  })

  it.each([
    ["malformed", "{", "is not JSON"],
    ["empty", "", "is not JSON"],
    ["of another kind", '{"id": "x"}', "not what GitLab sends, at id"]
  ])("a job response that is %s is a system failure, and nothing of it is shown", async (_, response, words) => {
    const result = await playOne(here, { ...job("true"), response: response.replace("x", "glcbt-64_secret") })
    assert.deepStrictEqual(result.verdict, { kind: "system_failure" })
    const said = result.stages.map(({ stderr, stdout }) => stderr + stdout).join("")
    assert.include(said, words)
    assert.notInclude(said, "secret")
  })

  it("a job response that is named and not there is one, too", async () => {
    const environment = { JOB_RESPONSE_FILE: "/no/such.json", CUSTOM_ENV_CI_JOB_ID: "5" }
    const { code, stderr } = await here.reddWith({ environment }, "gitlab", "prepare", "--default-image", "trixie")
    assert.deepStrictEqual(
      [code, stderr.split("\n")[0]],
      [2, "redd: There is no job to work for: the job response /no/such.json is not there."]
    )
  })

  it("an older runner has no job response, and its jobs run", async () => {
    const result = await playOne(here, { ...job("true"), response: "none" })
    assert.deepStrictEqual(result.verdict, { kind: "success" }, result.log)
    assert.include(stageOf(result, "config").stdout, ".127.0.0.1")
  })

  it("no job at all: config answers, the others say what they miss", async () => {
    const { stdout } = await succeeds(here.redd("gitlab", "config"))
    assert.deepInclude(JSON.parse(stdout), {
      builds_dir: "/builds",
      cache_dir: "/cache",
      builds_dir_is_shared: false,
      job_env: {}
    })
    for (const stage of ["prepare", "run"]) {
      const { code, stderr } = await here.redd("gitlab", stage, ...(stage === "run" ? ["/etc/hostname", "x"] : []))
      assert.deepStrictEqual(
        [code, stderr.split("\n")[0]],
        [2, "redd: There is no job to work for: neither a job response nor CUSTOM_ENV_CI_JOB_ID is there."]
      )
    }
  })

  it("exit codes are the runner's to choose", async () => {
    const environment = { SYSTEM_FAILURE_EXIT_CODE: "77" }
    assert.strictEqual((await here.reddWith({ environment }, "gitlab", "prepare")).code, 77)
  })

  it("a script that has vanished is a system failure", async () => {
    const result = await playOne(here, { ...job("true"), withoutScript: "build_script" })
    assert.deepStrictEqual(result.verdict, { kind: "system_failure" })
    assert.include(result.log, "there is no such file")
  })
})

describe("a script that", () => {
  const behaviours: ReadonlyArray<readonly [what: string, script: string, says: string]> = [
    ["reads standard input finds its end", "cat; read x || echo nothing to read", "nothing to read"],
    ["closes standard output goes on", "exec >&-; echo still here >&2", "still here"],
    ["leaves a daemon that holds standard output ends", "setsid sleep 600 & echo left", "left"],
    ["reopens its streams may", "echo out >/dev/stdout; echo err >/dev/stderr", "err"],
    ["writes what is no text is passed on", "printf '\\377\\000\\033[31mred'; echo", "red"]
  ]
  it("does what scripts do", async () => {
    const [results = []] = await play(here, [behaviours.map(([, script]) => job(script))])
    for (const [index, { log, verdict }] of results.entries()) {
      const [what, , says] = behaviours[index] ?? assert.fail()
      assert.deepStrictEqual(verdict, { kind: "success" }, `${what}: ${log}`)
      assert.include(log, says, what)
    }
  })

  it("prints 500 MB costs no memory, and nothing of it is lost", async () => {
    const played = playOne(here, job("dd if=/dev/zero bs=1M count=500 status=none; echo; echo printed"))
    const peakKb = await peakOf("gitlab run", played)
    const result = await played
    assert.deepStrictEqual(result.verdict, { kind: "success" })
    assert.isTrue(stageOf(result, "build_script").stdout.endsWith("\nprinted\n"))
    assert.strictEqual(stageOf(result, "build_script").characters, 500 * 2 ** 20 + "\nprinted\n".length)
    assert.isBelow(peakKb, 250_000)
  })
})
