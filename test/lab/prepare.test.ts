/** What a machine is when it is ready, and what is said when it cannot be. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { fullSuite, inMounts, lab, left, type Outcome, type State, state, succeeds, until, without } from "./Lab.ts"

let here: State
const prepare = (id: string, ...flags: ReadonlyArray<string>) =>
  here.redd("prepare", "--id", id, "--image", "trixie", ...flags)
const cleanup = (id: string) => succeeds(here.redd("cleanup", "--id", id))

/** An image like trixie's, changed by a script that has its tree as $1. */
const variant = (name: string, change: string, from = "trixie") =>
  succeeds(
    here.host.run([
      "/bin/sh",
      "-ec",
      `btrfs -q subvolume snapshot "$1/../images/${from}" "$1/images/${name}"; set -- "$1/images/${name}"; ${change}`,
      "variant",
      here.root
    ])
  )

/** One clear paragraph with a hint, the exit code, and nothing left behind. */
const refuses = async (outcome: Promise<Outcome>, code: number, ...said: ReadonlyArray<string | RegExp>) => {
  const { code: ours, stderr, stdout } = await outcome
  assert.strictEqual(ours, code, stderr)
  assert.strictEqual(stdout, "")
  for (const text of said) {
    if (typeof text === "string") assert.include(stderr, text)
    else assert.match(stderr, text)
  }
  assert.match(stderr, /^redd: .+\nhint: .+/)
  assert.notMatch(stderr, /^\s+at .+:\d+/m)
  assert.deepStrictEqual(await left(here), [])
}

beforeAll(() => {
  here = state(lab(fullSuite()), "btrfs")
})
afterAll(async () => assert.deepStrictEqual(await left(here), []))

describe("a machine", () => {
  it("is seen by the question what is left, in every way there is", async () => {
    await succeeds(prepare("seen"))
    const seen = (await left(here)).map((line) => line.split(":")[0])
    assert.deepStrictEqual([...new Set(seen)].sort(), ["cgroup", "folder", "lease", "nspawn", "process", "record"])
    await cleanup("seen")
  })

  it("is named after its key, its host after its id; its machine-id is its own", async () => {
    const ids: Array<string> = []
    for (const id of ["My Job/7", "My_Job 7"]) {
      await succeeds(prepare(id))
      const { stdout } = await succeeds(here.script(id, "cat /proc/sys/kernel/hostname /etc/machine-id"))
      const [hostname = "", machineId = ""] = stdout.split("\n")
      assert.strictEqual(hostname, "my-job-7")
      assert.match(machineId, /^[0-9a-f]{32}$/)
      ids.push(machineId)
    }
    assert.notStrictEqual(ids[0], ids[1])
    const { stdout } = await succeeds(here.host.run(["machinectl", "list", "--no-legend"]))
    assert.match(stdout, /^myjob7-[0-9a-f]{16} +container +systemd-nspawn/m)
    await cleanup("My Job/7")
    await succeeds(here.script("My_Job 7", "true"))
    await cleanup("My_Job 7")
  })

  it.each([
    "../../x",
    "-leading",
    ".dots",
    "new\nline",
    "100%",
    "日本",
    "a b",
    "$(id)",
    "x".repeat(200),
    "\\",
    "'",
    '"'
  ])("id %j is harmless", async (id) => {
    await succeeds(here.redd("prepare", `--id=${id}`, "--image", "trixie", "--boot", "none"))
    await succeeds(here.redd("exec", `--id=${id}`, "--", "true"))
    const { stdout } = await succeeds(here.redd("list", "--json"))
    assert.strictEqual(JSON.parse(stdout)[0].id, id)
    await succeeds(here.redd("cleanup", `--id=${id}`))
    assert.deepStrictEqual(await left(here), [])
  })

  it("a second prepare of a live id is refused, and harms nothing", async () => {
    await succeeds(prepare("twice", "--boot", "none"))
    const { code, stderr } = await prepare("twice", "--boot", "none")
    assert.strictEqual(code, 125)
    assert.include(stderr, 'Machine "twice" is running already')
    await succeeds(here.script("twice", "true"))
    await cleanup("twice")
  })

  it("two prepares of one id at once: one machine", async () => {
    const outcomes = await Promise.all([prepare("race", "--boot", "none"), prepare("race", "--boot", "none")])
    assert.deepStrictEqual(outcomes.map(({ code }) => code).sort(), [0, 125])
    await cleanup("race")
  })

  it("one id in two state folders is two machines", async () => {
    const other = state(here.host, "btrfs")
    await Promise.all([succeeds(prepare("same")), succeeds(other.redd("prepare", "--id", "same", "--image", "trixie"))])
    await cleanup("same")
    await succeeds(other.script("same", "true"))
    await succeeds(other.redd("cleanup", "--id", "same"))
    assert.deepStrictEqual(await left(other), [])
  })

  it("cleanup of an absent machine succeeds", () => cleanup("never was"))

  it("prepare that is interrupted leaves nothing", async () => {
    await variant(
      "slow",
      'mkdir -p "$1/etc/systemd/system/sysinit.target.d"; printf "[Unit]\\nRequires=never.service\\nAfter=never.service\\n" >"$1/etc/systemd/system/sysinit.target.d/x.conf"; printf "[Unit]\\nDefaultDependencies=no\\n[Service]\\nType=oneshot\\nExecStart=/bin/sleep infinity\\n" >"$1/etc/systemd/system/never.service"'
    )
    const run = here.start("prepare", "--id", "stopped", "--image", "slow")
    await until("it is booting", async () => (await left(here)).some((line) => line.startsWith("process:")))
    run.signal("SIGTERM")
    assert.strictEqual((await run.outcome).code, 143)
    assert.deepStrictEqual(await left(here), [])
  })

  it("prepare that is killed is taken away by gc", async () => {
    const run = here.start("prepare", "--id", "shot", "--image", "slow")
    await until("it is booting", async () => (await left(here)).some((line) => line.startsWith("process:")))
    run.signal("SIGKILL")
    await run.outcome
    assert.include((await succeeds(here.redd("gc", "--dry-run"))).stdout, 'would release machine "shot" (unfinished)')
    assert.isAbove((await left(here)).length, 0)
    await succeeds(here.redd("gc"))
    assert.deepStrictEqual(await left(here), [])
  })

  it("what a killed trial and a killed writer left is taken away by gc", async () => {
    const wreck =
      'mkdir -p "$1/cache/scrap/lower"; mount --bind /etc "$1/cache/scrap/lower"; touch "$1/records/half-0123456789abcdef.json.new"'
    await succeeds(here.host.run(["/bin/sh", "-ec", wreck, "wreck", here.root]))
    assert.deepStrictEqual(
      (await left(here)).map((line) => line.split(":")[0]),
      ["mount", "record", "scrap"]
    )
    await succeeds(here.redd("gc"))
    assert.deepStrictEqual(await left(here), [])
    await succeeds(here.host.run(["test", "-e", "/etc/passwd"]))
  })

  it("binds: read-only and writable, owned by root inside and by root on the host", async () => {
    // An ID-mapped mount needs a file system that can: the lab's own root is an overlay.
    await succeeds(
      here.host.run([
        "/bin/sh",
        "-c",
        `mkdir -p ${here.root}/shared ${here.root}/given; echo given >${here.root}/given/file`
      ])
    )
    await succeeds(
      prepare("bound", "--bind", `${here.root}/shared:/mnt/shared`, "--bind-ro", `${here.root}/given:/mnt/given`)
    )
    const { stdout } = await succeeds(
      here.script(
        "bound",
        "cat /mnt/given/file; stat -c %u /mnt/given/file; echo mine >/mnt/shared/mine; touch /mnt/given/no 2>/dev/null || echo refused"
      )
    )
    assert.strictEqual(stdout, "given\n0\nrefused\n")
    await cleanup("bound")
    assert.strictEqual((await succeeds(here.host.run(["stat", "-c", "%u", `${here.root}/shared/mine`]))).stdout, "0\n")
    assert.strictEqual((await succeeds(here.host.run(["cat", `${here.root}/given/file`]))).stdout, "given\n")
  })

  it("network none is a loopback alone, and works", async () => {
    await succeeds(prepare("alone", "--network", "none"))
    assert.strictEqual((await succeeds(here.script("alone", "ls /sys/class/net"))).stdout, "lo\n")
    await cleanup("alone")
  })

  it("/tmp is on its root, or in RAM of the size that was asked for", async () => {
    await succeeds(prepare("tmp", "--tmp-size", "64M"))
    const { stdout } = await succeeds(
      here.script("tmp", "stat -f -c %T /tmp; echo $(( $(stat -f -c '%b * %S' /tmp) )); stat -c %a /tmp")
    )
    assert.strictEqual(stdout, `tmpfs\n${64 * 2 ** 20}\n1777\n`)
    await cleanup("tmp")
    await succeeds(prepare("no-tmp"))
    assert.notInclude((await succeeds(here.script("no-tmp", "stat -f -c %T /tmp"))).stdout, "tmpfs")
    await cleanup("no-tmp")
  })

  it.each([
    ["a link to a stub", 'ln -sf ../run/systemd/resolve/stub-resolv.conf "$1/etc/resolv.conf"'],
    ["a dangling absolute link", 'ln -sf /nowhere/at/all "$1/etc/resolv.conf"'],
    ["absent", ":"],
    ["a folder", 'mkdir -p "$1/etc/resolv.conf/x"']
  ])("/etc/resolv.conf is the host's where the image has %s", async (what, change) => {
    const name = `resolver-${what.replaceAll(" ", "-")}`
    await variant(name, `rm -rf "$1/etc/resolv.conf"; ${change}`)
    await succeeds(here.redd("prepare", "--id", "r", "--image", name, "--boot", "none"))
    const { stdout } = await succeeds(here.script("r", "cat /etc/resolv.conf; stat -c %u /etc/resolv.conf"))
    const host = (await succeeds(here.host.run(["cat", "/etc/resolv.conf"]))).stdout
    assert.strictEqual(stdout, `${host}0\n`)
    await cleanup("r")
  })

  it("one failed unit is named, and the machine is used", async () => {
    await variant(
      "failing",
      'printf "[Unit]\\nBefore=sysinit.target\\nDefaultDependencies=no\\n[Service]\\nType=oneshot\\nExecStart=/bin/false\\n" >"$1/etc/systemd/system/bad.service"; mkdir -p "$1/etc/systemd/system/sysinit.target.wants"; ln -s ../bad.service "$1/etc/systemd/system/sysinit.target.wants/"'
    )
    // The second time from what was remembered.
    for (const id of ["f", "g"]) {
      const { stderr } = await succeeds(here.redd("prepare", "--id", id, "--image", "failing"))
      assert.include(stderr, "bad.service failed; it is used all the same")
      await succeeds(here.script(id, "true"))
      await cleanup(id)
    }
  })

  it("an image without an init runs without", async () => {
    await succeeds(here.redd("prepare", "--id", "bare", "--image", "bare"))
    assert.strictEqual((await succeeds(here.script("bare", "id -u"))).stdout, "0\n")
    await cleanup("bare")
  })
})

describe("what cannot be is said in a paragraph, and leaves nothing", () => {
  it("a machine that is stuck names the job it waits for, with its console", () =>
    refuses(
      here.redd("prepare", "--id", "s", "--image", "slow", "--boot-timeout", "12s"),
      125,
      "its door was not open after 12 s",
      "never.service",
      "  | "
    ))
  it("a machine that ends while it boots shows its console", async () => {
    await variant(
      "broken",
      'rm -f "$1/usr/sbin/init" "$1/usr/lib/systemd/systemd"; printf "#!/bin/sh\\necho I give up\\nexit 3\\n" >"$1/usr/lib/systemd/systemd"; chmod 755 "$1/usr/lib/systemd/systemd"; ln -s ../lib/systemd/systemd "$1/usr/sbin/init"'
    )
    await refuses(here.redd("prepare", "--id", "b", "--image", "broken"), 125, "it ended while it booted", "I give up")
  })
  it("an unknown image lists those that exist", () =>
    refuses(here.redd("prepare", "--id", "u", "--image", "nope"), 125, 'no image "nope"', "bare", "trixie"))
  it("an image name that is a path is unknown", () =>
    refuses(here.redd("prepare", "--id", "u", "--image", "../../etc"), 125, 'no image "../../etc"'))
  it("no image named", () => refuses(here.redd("prepare", "--id", "u"), 125, "No image was named", "--image"))
  it("an image that is no tree", async () => {
    await succeeds(here.host.run(["mkdir", "-p", `${here.root}/images/folder/x`]))
    await refuses(here.redd("prepare", "--id", "u", "--image", "folder"), 125, "it is no root tree")
  })
  it("an image without /bin/sh", async () => {
    await variant("shell-less", 'rm "$1/usr/bin/sh"')
    await refuses(here.redd("prepare", "--id", "u", "--image", "shell-less"), 125, "/bin/sh")
  })
  it("--boot init of an image without one", () =>
    refuses(here.redd("prepare", "--id", "u", "--image", "bare", "--boot", "init"), 125, "--boot none works"))
  it("a backend that does not fit", () => {
    const other = state(here.host, "xfs")
    return refuses(
      other.redd("prepare", "--id", "u", "--image", "trixie", "--backend", "btrfs"),
      125,
      "is not on btrfs",
      "--backend auto"
    )
  })
  it.each([
    ["--memory", "3apples", "--memory 512M"],
    ["--cpus", "-1", "processors"],
    ["--tasks", "many", "tasks"],
    ["--boot", "sometimes", "auto"],
    ["--boot-timeout", "soon", "90s"],
    ["--env", "no-equals", "NAME=VALUE"],
    ["--network", "wifi", "host"]
  ])("%s %s", (flag, value, said) => refuses(prepare("u", `${flag}=${value}`), 125, flag, said))
  it("a bind of nothing", () => refuses(prepare("u", "--bind", "/not/there:/x"), 125, "nothing to bind at /not/there"))
  it("a bind to a relative path", () => refuses(prepare("u", "--bind", "/etc:x"), 125, "not an absolute path"))
  it("an empty id", () => refuses(prepare(""), 125, "1 to 200 bytes"))
  it("an id of 201 bytes", () => refuses(prepare("x".repeat(201)), 125, "1 to 200 bytes"))
  it("a run of an unknown id", () => refuses(here.script("unknown", "true"), 125, 'no machine "unknown"', "redd list"))
  it("a missing script, in no machine", () =>
    refuses(here.redd("run", "--id", "unknown", "/no/script"), 125, "no machine"))
  it("-- forgotten, with flags", () =>
    refuses(here.redd("exec", "--id", "u", "ls", "-la"), 125, "write -- before the command"))
  it("-- forgotten, without", () => refuses(here.redd("exec", "--id", "u", "ls"), 125, "There is no --", "write --"))
  it("an unknown command", () => refuses(here.redd("prepair"), 125, "prepare"))
  it("an unknown flag", () => refuses(here.redd("list", "--jsn"), 125, "--json"))
  it("not root", async () => {
    const outcome = here.host.run(
      ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", `${here.host.repository}/bin/redd`, "list"],
      {
        environment: { REDD_ROOT: here.root }
      }
    )
    await refuses(outcome, 125, "Cannot use the state folder", "as root")
  })
  it("a state folder that cannot be written", () =>
    refuses(
      here.reddWith({ environment: { REDD_ROOT: "/proc/redd" } }, "list"),
      125,
      "Cannot use the state folder /proc/redd"
    ))
  it("a tool that is missing names its package", async () => {
    const words = [
      ...inMounts(without("systemd-nspawn")),
      `${here.host.repository}/bin/redd`,
      "prepare",
      "--id",
      "u",
      "--image",
      "trixie"
    ]
    const outcome = here.host.run(words, { environment: { REDD_ROOT: here.root } })
    await refuses(outcome, 125, "systemd-nspawn is not installed", "systemd-container")
  })
  it("a malformed configuration names file, line and key", async () => {
    const file = `${here.root}/config.yaml`
    await succeeds(
      here.host.run(["/bin/sh", "-c", `printf 'backend: auto\\nlimits:\\n  memory: 3apples\\ngrase: 5s\\n' >${file}`])
    )
    await refuses(here.redd("list", "--config", file), 125, `${file}:3: limits.memory: `, `${file}:4: grase`)
    await succeeds(here.host.run(["/bin/sh", "-c", `printf 'a: [\\n' >${file}`]))
    await refuses(here.redd("list", "--config", file), 125, `${file}:`)
    await refuses(here.redd("list", "--config", "/no/such"), 125, "there is no such file")
  })
})
