/** gc: what it takes away, what it only says, and what it never touches. */
import { afterAll, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import { die, fullSuite, lab, left, type State, state, succeeds, thisMachine } from "./Lab.ts"

let here: State
let other: State
beforeAll(() => {
  here = state(lab(fullSuite()), "btrfs")
  other = state(lab(fullSuite()), "disk")
})
afterAll(async () => {
  assert.deepStrictEqual(await left(here), [])
  assert.deepStrictEqual(await left(other), [])
})

const prepare = (on: State, id: string, ...flags: ReadonlyArray<string>) =>
  succeeds(on.redd("prepare", "--id", id, "--image", "trixie", "--boot", "none", ...flags))
const keyOf = async (on: State, id: string): Promise<string> =>
  JSON.parse((await succeeds(on.redd("list", "--json"))).stdout).find((row: { id: string }) => row.id === id).machine
const shell = (on: State, script: string, ...args: ReadonlyArray<string>) =>
  succeeds(on.host.run(["/bin/sh", "-ec", script, "sh", on.root, ...args]))

describe("a machine whose record is lost", () => {
  for (const { engine, host, name } of [
    { engine: "managed", host: () => lab(fullSuite()), name: "the lab" },
    { engine: "standalone", host: () => lab(fullSuite()), name: "the lab" },
    { engine: "standalone", host: thisMachine, name: "this machine" }
  ]) {
    it(`is a stray: said by gc, removed when that is wanted (${engine}, ${name})`, async () => {
      const on = state(host(), "btrfs")
      await prepare(on, "lost", "--engine", engine)
      await prepare(on, "kept", "--engine", engine)
      const key = await keyOf(on, "lost")
      await shell(on, 'rm "$1/records/$2.json"', key)

      const said = await succeeds(on.redd("gc"))
      assert.match(said.stdout, new RegExp(`^found stray ${key}: .+/machines/${key}.*/run/redd/ranges/\\d+$`, "m"))
      assert.include(said.stderr, "redd gc --remove-strays")
      const dry = await succeeds(on.redd("gc", "--dry-run", "--remove-strays", "--json"))
      const [stray] = JSON.parse(dry.stdout).strays
      assert.strictEqual(stray.machine, key)
      assert.strictEqual(stray.removed, false)
      assert.isTrue(stray.found.some((path: string) => path.includes("cgroup")))
      assert.isTrue(stray.found.includes(`/run/redd/ready/${key}`))
      assert.isTrue((await left(on)).some((line) => line.includes(key)))

      assert.include((await succeeds(on.redd("gc", "--remove-strays"))).stdout, `removed stray ${key}`)
      assert.isFalse((await left(on)).some((line) => line.includes(key)))
      assert.strictEqual((await succeeds(on.redd("gc", "--remove-strays"))).stdout, "")
      await succeeds(on.script("kept", "true"))
      await succeeds(on.redd("cleanup", "--id", "kept"))
      assert.deepStrictEqual(await left(on), [])
    })
  }
})

describe("other state folders", () => {
  it("have machines that are no strays here", async () => {
    await prepare(other, "theirs")
    await prepare(other, "shared", "--isolation", "none")
    assert.strictEqual((await succeeds(here.redd("gc", "--remove-strays"))).stdout, "")
    await succeeds(other.script("theirs", "true"))
    await succeeds(other.script("shared", "true"))
    await succeeds(other.redd("cleanup", "--id", "theirs"))
    await succeeds(other.redd("cleanup", "--id", "shared"))
  })
})

describe("things that lie about", () => {
  beforeEach(() => shell(here, 'mkdir -p "$1/machines/what is this/x" /run/systemd/nspawn/unix-export'))
  const key = "gone-00112233445566aa"
  it("a folder among the machines, an empty cgroup, what nspawn left: strays", async () => {
    await shell(here, 'mkdir -p "/sys/fs/cgroup/redd/$2" "/run/systemd/nspawn/unix-export/$2"', key)
    await shell(here, 'mount -t tmpfs none "/run/systemd/nspawn/unix-export/$2"', key)
    const { stdout } = await succeeds(here.redd("gc", "--remove-strays"))
    assert.include(stdout, `removed stray what is this: ${here.root}/machines/what is this\n`)
    assert.include(stdout, `removed stray ${key}: /sys/fs/cgroup/redd/${key}, /run/systemd/nspawn/unix-export/${key}\n`)
    assert.deepStrictEqual(await left(here), [])
  })
  it("a machine's folder alone, which a power cut brought back, is deleted by gc", async () => {
    await shell(here, 'rmdir "$1/machines/what is this/x" "$1/machines/what is this"; mkdir "$1/machines/$2"', key)
    await shell(here, 'btrfs -q subvolume create "$1/machines/$2/root"; touch "$1/machines/$2/root/file"', key)
    const folder = `${here.root}/machines/${key}`
    assert.strictEqual((await succeeds(here.redd("gc", "--dry-run"))).stdout, `would delete ${folder}\n`)
    assert.isAbove((await left(here)).length, 0)
    assert.strictEqual((await succeeds(here.redd("gc"))).stdout, `deleted ${folder}\n`)
    assert.deepStrictEqual(await left(here), [])
  })
  it("what is mounted there is unmounted and not emptied", async () => {
    await shell(
      here,
      'mkdir -p "$1/precious"; echo 1 >"$1/precious/file"; mount --bind "$1/precious" "$1/machines/what is this/x"'
    )
    await succeeds(here.redd("gc", "--remove-strays"))
    assert.strictEqual((await shell(here, 'cat "$1/precious/file"')).stdout, "1\n")
    assert.deepStrictEqual(await left(here), [])
  })
})

describe("a record that cannot be read", () => {
  it.each([
    ["of a future version", 's/"version":1/"version":2/'],
    ["truncated", "s/.\\{200\\}$//"],
    ["of a backend that this redd does not know", 's/"backend":"btrfs"/"backend":"zfs"/'],
    ["empty", "s/.*//"]
  ])("%s: it is named, kept, and the others are collected", async (_, change) => {
    await prepare(here, "odd")
    await prepare(here, "dead")
    const key = await keyOf(here, "odd")
    await die(here, "dead")
    await shell(here, 'cp "$1/records/$2.json" "$1/record"; sed -i "$3" "$1/records/$2.json"', key, change)
    const { code, stderr, stdout } = await here.redd("gc", "--remove-strays")
    assert.strictEqual(code, 125)
    assert.include(stderr, `Cannot read the record of machine ${key}`)
    assert.include(stderr, "hint: use the redd that made it, or repair the file")
    assert.strictEqual(stdout, 'released machine "dead" (dead)\n')
    const cleanup = await here.redd("cleanup", "--id", "odd")
    assert.strictEqual(cleanup.code, 125)
    assert.include(cleanup.stderr, "Cannot read the record")
    await shell(here, 'mv "$1/record" "$1/records/$2.json"', key)
    await succeeds(here.script("odd", "true"))
    await succeeds(here.redd("cleanup", "--id", "odd"))
    assert.deepStrictEqual(await left(here), [])
  })
})

/** What a reboot of the host does to the machine $2: no process, nothing in /run. */
const reboot =
  'systemctl stop "redd-$2.service"; rm "/run/redd/ready/$2"; find /run/redd/ranges -lname "*/$2.json" -delete'

describe("gc and others at once", () => {
  it("five gcs, two cleanups and two prepares: each does its own, nothing fails", async () => {
    await prepare(here, "a")
    await prepare(here, "b")
    const outcomes = await Promise.all([
      ...[1, 2, 3, 4, 5].map(() => here.redd("gc")),
      here.redd("cleanup", "--id", "a"),
      here.redd("cleanup", "--id", "a"),
      ...["c", "d"].map((id) => here.redd("prepare", "--id", id, "--image", "trixie", "--boot", "none"))
    ])
    for (const { code, stderr, stdout } of outcomes) assert.strictEqual(code, 0, `${stdout}${stderr}`)
    for (const id of ["b", "c", "d"]) {
      await succeeds(here.script(id, "true"))
      await succeeds(here.redd("cleanup", "--id", id))
    }
    assert.deepStrictEqual(await left(here), [])
  })
  it("an empty record, as a power cut leaves it, is in nobody's way", async () => {
    for (const mend of ["gc", "prepare", "cleanup"]) {
      await prepare(here, "cut")
      const cut = await keyOf(here, "cut")
      await shell(here, `${reboot}; : >"$1/records/$2.json"`, cut)
      if (mend === "gc") {
        const { stdout } = await succeeds(here.redd("gc"))
        assert.include(stdout, `deleted ${here.root}/machines/${cut}\n`)
        assert.include(stdout, `deleted ${here.root}/records/${cut}.json\n`)
      }
      if (mend === "prepare") await prepare(here, "cut")
      await succeeds(here.redd("cleanup", "--id", "cut"))
      assert.deepStrictEqual(await left(here), [])
    }
  })
  it("after a reboot of the host every machine is stale, and nothing is done twice", async () => {
    await prepare(here, "before")
    const key = await keyOf(here, "before")
    // And another boot id than the record's.
    await shell(here, `${reboot}; sed -i 's/"bootId":"[^"]*"/"bootId":"earlier"/' "$1/records/$2.json"`, key)
    assert.strictEqual(JSON.parse((await succeeds(here.redd("list", "--json"))).stdout)[0].state, "dead")
    assert.include(
      (await succeeds(here.redd("gc", "--dry-run"))).stdout,
      'would release machine "before" (host rebooted)'
    )
    await succeeds(here.redd("gc"))
    assert.deepStrictEqual(await left(here), [])
  })
})

describe("redd setup --systemd", () => {
  it("installs a timer that runs gc, twice is once, and goes again", async () => {
    const setup = (...flags: ReadonlyArray<string>) => succeeds(here.redd("setup", "--systemd", ...flags))
    assert.match((await setup()).stderr, /^redd: (redd-gc\S*)\.service and \1\.timer are installed$/m)
    assert.include((await setup()).stderr, "installed already")
    const timers = await succeeds(here.host.run(["systemctl", "list-timers", "--no-pager", "--no-legend", "redd-gc*"]))
    const [timer = ""] = /redd-gc\S*\.timer/.exec(timers.stdout) ?? []
    await prepare(here, "timed")
    await die(here, "timed")
    await succeeds(here.host.run(["systemctl", "start", timer.replace(".timer", ".service")]))
    assert.deepStrictEqual(await left(here), [])
    assert.include((await setup("--remove")).stderr, "are removed")
    assert.include((await setup("--remove")).stderr, "there are no timers")
    const { stdout } = await here.host.run(["/bin/sh", "-c", "ls /etc/systemd/system | grep redd-gc"])
    assert.strictEqual(stdout, "")
  })
  it("for the configuration's own state folder installs one that runs apply at night, too", async () => {
    const setup = (...flags: ReadonlyArray<string>) =>
      succeeds(here.host.run([`${here.host.repository}/bin/redd`, "setup", "--systemd", ...flags]))
    assert.include((await setup()).stderr, "redd-maintenance.service, and redd-maintenance.timer are installed")
    const unit = "/etc/systemd/system/redd-maintenance"
    await succeeds(here.host.run(["systemd-analyze", "verify", `${unit}.service`, `${unit}.timer`]))
    assert.include(
      (await succeeds(here.host.run(["systemctl", "is-enabled", "redd-maintenance.timer"]))).stdout,
      "enabled"
    )
    await succeeds(here.host.run(["systemctl", "start", "redd-maintenance.service"]))
    await setup("--remove")
    assert.notStrictEqual((await here.host.run(["ls", `${unit}.timer`])).code, 0)
  })
  it("is refused where PID 1 is not systemd", async () => {
    const on = state(thisMachine(), "btrfs")
    const { code, stderr } = await on.redd("setup", "--systemd")
    assert.strictEqual(code, 125)
    assert.include(stderr, "PID 1 of this host is not systemd")
  })
})
