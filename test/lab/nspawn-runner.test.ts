/** An installation of nspawn-runner's, with Redd in its place. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { runnerOf } from "../gitlab/Toml.ts"
import { makeRepository, playOne, stageOf } from "./Gitlab.ts"
import { fullSuite, lab, left, type Outcome, type RunOptions, type State, state, succeeds } from "./Lab.ts"

let here: State
/** Redd's own folder in nspawn-runner's. */
let inner: State
const nspawnRunner = (...args: ReadonlyArray<string>): Promise<Outcome> =>
  here.host.run(["/usr/bin/nspawn-runner", ...args])
const nspawnRunnerWith = (options: RunOptions, ...args: ReadonlyArray<string>): Promise<Outcome> =>
  here.host.run(["/usr/bin/nspawn-runner", ...args], options)

/** What chroot-create says. */
const made = async (...args: ReadonlyArray<string>) => (await nspawnRunner("chroot-create", ...args)).stderr

/** Plain folders as images, playbooks beside them and in /etc, and what a swapped binary is. */
const installation = `
mkdir "$1"
ln -s "$1" /var/lib/nspawn-runner
ln -s "$2/bin/nspawn-runner" /usr/bin/nspawn-runner
cp -a --reflink=auto /srv/btrfs/images/git "$1/trixie"
mkdir -p /etc/nspawn-runner
printf -- '- hosts: all\\n  vars:\\n    nspawn_runner_chroot_suite: bookworm\\n  tasks: []\\n' >"$1/stable.yaml"
printf -- '- hosts: all\\n  vars: { nspawn_runner_chroot_suite: sid }\\n' >/etc/nspawn-runner/rolling.yaml
`
/** As it stands in the config.toml of such an installation. */
const existing = (custom: string) => `concurrent = 2
[[runners]]
  name = "old"
  url = "https://gitlab.example.com"
  token = "x"
  executor = "custom"
  builds_dir = "/var/lib/nspawn-runner/.build"
  cache_dir = "/var/lib/nspawn-runner/.cache"
  [runners.custom]
${custom}
    prepare_exec = "/usr/bin/nspawn-runner"
    prepare_args = ["-v", "prepare", "--default-image", "trixie"]
    run_exec = "/usr/bin/nspawn-runner"
    run_args = ["--verbose", "run"]
    cleanup_exec = "/usr/bin/nspawn-runner"
    cleanup_args = ["--debug", "cleanup"]
`
const withConfig = existing('config_exec = "/usr/bin/nspawn-runner"\n    config_args = ["gitlab-config"]')

beforeAll(async () => {
  here = state(lab(fullSuite()), "btrfs")
  await makeRepository(here)
  const folder = `${here.root}/nspawn-runner`
  await succeeds(here.host.run(["/bin/sh", "-ec", installation, "install", folder, here.host.repository]))
  inner = { ...here, root: `${folder}/.redd` }
})
afterAll(async () => {
  assert.deepStrictEqual(await left(inner), [])
  await here.host.run(["rm", "-r", "/var/lib/nspawn-runner", "/usr/bin/nspawn-runner", "/etc/nspawn-runner"])
})

let jobs = 4000

describe("a runner whose config.toml names nspawn-runner", () => {
  it.each([
    ["and has a config stage", withConfig],
    ["and has none", existing("")]
  ])("%s runs its jobs", async (_, toml) => {
    const job = { id: jobs++, script: ["sh build.sh", "cat part/part.txt"], afterScript: ["echo after"] }
    const result = await playOne(here, job, { toml })
    assert.deepStrictEqual(result.verdict, { kind: "success" }, result.log)
    for (const words of ["redd: image trixie", "built from source", "after"]) assert.include(result.log, words)
    assert.deepStrictEqual(await left(inner), [])
  })

  it("has each failure for whose it is", async () => {
    const job = { id: jobs++, script: ["exit 42"], withoutSources: true }
    const failed = await playOne(here, job, { toml: withConfig })
    assert.deepStrictEqual(failed.verdict, { kind: "script_failure", code: 42 })
    const nowhere = await playOne(here, { ...job, id: jobs++, image: "buster" }, { toml: withConfig })
    assert.deepStrictEqual(nowhere.verdict, { kind: "system_failure" })
    assert.include(stageOf(nowhere, "prepare").stderr, "images here: trixie")
  })

  it("leaves nothing of a cancelled job", async () => {
    const cancel = { stage: "build_script", kind: "canceled", says: "hanging" } as const
    const job = { id: jobs++, script: ["echo hanging; sleep 600"], withoutSources: true, cancel }
    assert.deepStrictEqual((await playOne(here, job, { toml: withConfig })).verdict, { kind: "canceled" })
    assert.deepStrictEqual(await left(inner), [])
  })
})

describe("nspawn-runner's commands", () => {
  it("chroot-list names the images, and those that have a playbook alone, with their paths", async () => {
    const lines = ["rolling", "stable", "trixie"].map((name) => `${name} /var/lib/nspawn-runner/${name}\n`)
    assert.strictEqual((await succeeds(nspawnRunner("chroot-list"))).stdout, lines.join(""))
  })

  it("finds its images though a redd was there first", async () => {
    await succeeds(here.host.run(["rm", `${inner.root}/images`]))
    await succeeds(here.redd("gc", "--root", inner.root))
    await succeeds(here.host.run(["test", "-d", `${inner.root}/images`, "-a", "!", "-L", `${inner.root}/images`]))
    const lists = await Promise.all([1, 2, 3, 4].map(() => nspawnRunner("chroot-list")))
    for (const list of lists) assert.include((await succeeds(Promise.resolve(list))).stdout, "trixie ")
  })

  it("--ram-disk keeps in RAM what machines write", async () => {
    await succeeds(nspawnRunner("--ram-disk", "prepare", "--id", "ram", "trixie"))
    const [row] = JSON.parse((await succeeds(here.redd("list", "--root", inner.root, "--json"))).stdout)
    assert.strictEqual(row.backend, "tmpfs")
    await succeeds(nspawnRunner("cleanup", "--id", "ram"))
  })

  it("prepare, run and cleanup take an id, and cleanup twice does no harm", async () => {
    const environment = { CUSTOM_ENV_CI_JOB_ID: "7", CUSTOM_ENV_CI_JOB_IMAGE: "nowhere" }
    await succeeds(nspawnRunnerWith({ environment }, "prepare", "--id", "mine", "trixie"))
    const script = "/tmp/nspawn-runner-script"
    await succeeds(here.host.run(["/bin/sh", "-c", `echo 'echo "in $0"; exit $1' >${script}`]))
    const { code, stdout } = await nspawnRunner("run", "--id", "mine", "--shell", "/bin/dash", script, "step_one")
    assert.deepStrictEqual([code, stdout.startsWith("in /run/redd/")], [0, true])
    for (let times = 0; times < 2; times++) await succeeds(nspawnRunner("cleanup", "--id", "mine"))
    assert.deepStrictEqual(await left(inner), [])
  })

  it("toml names itself, and what it is called with works", async () => {
    const runner = runnerOf((await succeeds(nspawnRunner("toml", "trixie"))).stdout)
    assert.deepInclude(runner.prepare, { args: ["prepare", "--default-image", "trixie"] })
    await succeeds(here.host.run([runner.config.program, ...runner.config.args]))
  })

  it("chroot-create takes the suite from --suite, else the playbook, else the name", async () => {
    // The lab's host has no mmdebstrap, which is said: what would be made has been said before.
    assert.match(await made("stable"), /mmdebstrap of bookworm\n.*not installed.*\n.*apt-get install mmdebstrap/)
    assert.include(await made("rolling"), "mmdebstrap of sid")
    assert.include(await made("forky"), "mmdebstrap of forky")
    assert.include(await made("--suite", "trixie", "stable"), "mmdebstrap of trixie")
    assert.include(await made("trixie"), 'There is an image "trixie" already')
    // Nor has it Ansible, which is said before minutes are spent on what it would work on.
    const playbook = "- { hosts: all, tasks: [ { ping: } ] }"
    await succeeds(here.host.run(["/bin/sh", "-c", 'echo "$0" >/etc/nspawn-runner/tasks.yaml', playbook]))
    assert.include(await made("tasks"), "apt-get install ansible-core")
    await succeeds(here.host.run(["rm", "/etc/nspawn-runner/tasks.yaml"]))
  })

  it("chroot-login changes the image, and not under a machine", async () => {
    const login = (input: string) =>
      here.host.run(["script", "-qec", "/usr/bin/nspawn-runner chroot-login trixie", "/dev/null"], { input })
    assert.include((await nspawnRunner("chroot-login", "trixie")).stderr, "needs a terminal")
    await login("echo changed >/srv/changed; exit\n")
    await succeeds(nspawnRunner("prepare", "--id", "after", "trixie"))
    await succeeds(here.redd("exec", "--root", inner.root, "--id", "after", "--", "grep", "changed", "/srv/changed"))
    assert.include((await login("exit\n")).stdout, 'is in use by machine "after"')
    await succeeds(nspawnRunner("cleanup", "--id", "after"))
  })

  it("chroot-maintenance makes what is missing and runs what there is, past what fails", async () => {
    await succeeds(here.host.run(["/bin/sh", "-c", "echo '- hosts: all' >/var/lib/nspawn-runner/trixie.yml"]))
    const all = await nspawnRunner("chroot-maintenance")
    assert.strictEqual(all.code, 1)
    assert.include(all.stderr, "apt-get install mmdebstrap")
    for (const words of ["image rolling: failed", "image stable: failed", "image trixie: unchanged"])
      assert.include(all.stderr, words)
    assert.include((await succeeds(nspawnRunner("chroot-maintenance", "trixie"))).stderr, "image trixie: unchanged")
    assert.include((await succeeds(nspawnRunner("chroot-maintenance", "nowhere"))).stderr, "no playbook")
  })

  it("what makes no sense is a system failure to a runner", async () => {
    assert.strictEqual((await nspawnRunner("prepare", "--no-such-flag")).code, 2)
  })
})
