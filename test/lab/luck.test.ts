/** Bad luck while jobs run: machines, hosts and disks that give way. A test for each, and nothing left after any. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { partOf } from "../suite/part.ts"
import { die, fullSuite, lab, left, type Outcome, type State, state, succeeds, tinyImage, until } from "./Lab.ts"

let here: State
beforeAll(async () => {
  here = state(lab(fullSuite()), "btrfs")
  await tinyImage(here)
})
afterAll(async () => assert.deepStrictEqual(await left(here), []))

const prepare = (id: string, ...flags: ReadonlyArray<string>) =>
  succeeds(here.redd("prepare", "--id", id, "--image", "trixie", ...flags))
const cleanup = (id: string) => succeeds(here.redd("cleanup", "--id", id))
const shell = (script: string, ...args: ReadonlyArray<string>) =>
  succeeds(here.host.run(["/bin/sh", "-ec", script, "sh", ...args]))
const keyOf = async (on: State, id: string): Promise<string> =>
  JSON.parse((await succeeds(on.redd("list", "--json"))).stdout).find((row: { id: string }) => row.id === id).machine
const wentAway = ({ code, stderr }: Outcome) => {
  assert.strictEqual(code, 125, stderr)
  assert.include(stderr, "the machine went away")
}
/** A run that says that it runs, and then runs on. */
const startRun = async (id: string, script = "echo begun; sleep 1000") => {
  const run = here.start("exec", "--id", id, "--", "sh", "-c", script)
  await run.says("begun")
  return run
}

describe("a machine that goes while it is used", () => {
  for (const engine of ["managed", "standalone"]) {
    it(`cleanup during a run: the run says so (${engine})`, async () => {
      await prepare("used", "--engine", engine)
      const run = await startRun("used")
      await cleanup("used")
      wentAway(await run.outcome)
      assert.deepStrictEqual(await left(here), [])
    })

    it(`a machine that reboots itself during a run has gone (${engine})`, async () => {
      await prepare("reboots", "--engine", engine)
      wentAway(await (await startRun("reboots", "echo begun; systemctl reboot --force --force; sleep 1000")).outcome)
      await until("gc takes it", async () => {
        await succeeds(here.redd("gc"))
        return (await left(here)).length === 0
      })
    })

    it(`SIGKILL of its PID 1 during a run (${engine})`, async () => {
      await prepare("headless", "--engine", engine)
      const run = await startRun("headless")
      await shell(
        'for c in $(find /sys/fs/cgroup -path "*$1*/payload/init.scope/cgroup.procs"); do kill -KILL $(cat $c); done',
        await keyOf(here, "headless")
      )
      wentAway(await run.outcome)
      await succeeds(here.redd("gc"))
      assert.deepStrictEqual(await left(here), [])
    })

    it(`SIGKILL of systemd-nspawn during a run, and gc or cleanup afterwards (${engine})`, async () => {
      await prepare("orphan", "--engine", engine)
      const run = await startRun("orphan", "echo begun; sleep 2; exit 5")
      await succeeds(here.host.run(["pkill", "-KILL", "-f", `directory=${here.root}/machines/orphan-`]))
      // Under systemd all of the unit goes; in a cgroup of ours the machine lives on.
      const { code } = await run.outcome
      assert.strictEqual(code, engine === "managed" ? 125 : 5)
      await (engine === "managed" ? succeeds(here.redd("gc")) : cleanup("orphan"))
      assert.deepStrictEqual(await left(here), [])
    })

    it(`the host's machined restarts, its systemd executes itself again: nothing happens (${engine})`, async () => {
      await prepare("steady", "--engine", engine)
      const run = await startRun("steady", "echo begun; sleep 3; exit 7")
      await shell("systemctl restart systemd-machined; systemctl daemon-reexec; systemctl daemon-reload")
      assert.strictEqual((await run.outcome).code, 7)
      assert.strictEqual((await here.script("steady", "exit 8")).code, 8)
      await cleanup("steady")
      assert.deepStrictEqual(await left(here), [])
    })
  }

  it("the host's systemd executes itself again and again: machines come and go", async () => {
    const restless = here.host.start([
      "/bin/sh",
      "-c",
      "for i in 1 2 3 4 5 6 7 8; do systemctl daemon-reexec; sleep 0.4; done"
    ])
    try {
      for (const id of ["come-1", "come-2", "come-3"]) {
        await prepare(id, "--engine", "managed")
        assert.strictEqual((await here.script(id, "exit 4")).code, 4)
        await cleanup(id)
      }
    } finally {
      restless.signal("SIGTERM")
    }
    assert.deepStrictEqual(await left(here), [])
  })

  it("its own systemd executes itself again, its D-Bus restarts: the run goes on", async () => {
    await prepare("inside")
    const script = "echo begun; systemctl daemon-reexec; systemctl restart dbus; sleep 1; exit 6"
    assert.strictEqual((await (await startRun("inside", script)).outcome).code, 6)
    await cleanup("inside")
  })

  it("cleanup during prepare waits, and then there is no machine", async () => {
    const made = here.start("prepare", "--id", "early", "--image", "trixie")
    await until("it is being made", async () => (await left(here)).length > 0)
    await cleanup("early")
    assert.strictEqual((await made.outcome).code, 0)
    assert.deepStrictEqual(await left(here), [])
  })

  it("SIGKILL of systemd-run while it starts a machine: prepare fails, nothing is left", async () => {
    const wrapper = '#!/bin/sh\\n/usr/bin/systemd-run.real "$@"\\nkill -KILL $$\\n'
    await shell(
      `mv /usr/bin/systemd-run /usr/bin/systemd-run.real; printf '${wrapper}' >/usr/bin/systemd-run; chmod 755 /usr/bin/systemd-run`
    )
    try {
      const { code, stderr } = await here.redd("prepare", "--id", "unrun", "--image", "trixie", "--engine", "managed")
      assert.strictEqual(code, 125)
      assert.include(stderr, "systemd-run was killed by SIGKILL")
    } finally {
      await shell("mv /usr/bin/systemd-run.real /usr/bin/systemd-run")
    }
    assert.deepStrictEqual(await left(here), [])
  })
})

describe("a tree that does not want to go", () => {
  it("nested subvolumes, read-only ones too, go with it", async () => {
    await prepare("nested", "--boot", "none")
    const tree = `${here.root}/machines/${await keyOf(here, "nested")}/root`
    await shell(
      'cd "$1/srv"; btrfs -q subvolume create a; btrfs -q subvolume create "a/b\nc"; btrfs -q subvolume snapshot -r a d; chattr +i "a/b\nc"',
      tree
    )
    await cleanup("nested")
    assert.deepStrictEqual(await left(here), [])
  })

  it("something mounted in it is not emptied: cleanup refuses, says what to do, and works afterwards", async () => {
    await prepare("mounted", "--boot", "none")
    const tree = `${here.root}/machines/${await keyOf(here, "mounted")}/root`
    await shell(
      'mkdir -p "$1/precious"; echo 1 >"$1/precious/file"; mount --bind "$1/precious" "$2/srv"',
      here.root,
      tree
    )
    const { code, stderr } = await here.redd("cleanup", "--id", "mounted")
    assert.strictEqual(code, 125)
    assert.include(stderr, `Refused to delete ${tree}`)
    assert.include(stderr, `umount ${tree}/srv`)
    assert.strictEqual((await here.redd("gc")).code, 125)
    assert.strictEqual((await shell('cat "$1/precious/file"', here.root)).stdout, "1\n")
    await shell('umount "$1/srv"', tree)
    assert.include((await succeeds(here.redd("gc"))).stdout, 'released machine "mounted"')
    assert.deepStrictEqual(await left(here), [])
  })
})

/** A state folder on a file system of its own, with the tiny image. */
const small = async (format: "btrfs" | "ext4", size: string): Promise<State> => {
  const on = state(lab(fullSuite()), "disk")
  await shell(
    'truncate -s "$3" "$1.img"; mkfs.$2 -q "$1.img"; rm -rf "$1"; mkdir "$1"; mount -o loop "$1.img" "$1"; mkdir "$1/images"',
    on.root,
    format,
    size
  )
  await shell(
    'mkdir -p "$1/images/bare/bin"; cp "$2/images/bare/bin/busybox" "$1/images/bare/bin/"',
    on.root,
    here.root
  )
  await tinyImage(on)
  return on
}
const gone = async (on: State) => {
  assert.deepStrictEqual(
    (await left(on)).filter((line) => line !== `mount: ${on.root}`),
    []
  )
  await shell('umount "$1"; rm -f "$1.img"', on.root)
}

describe("a disk that gives way", () => {
  for (const format of partOf(["btrfs", "ext4"] as const, 2)) {
    it(`full to the last byte, on ${format}: it is named, the reserve is kept, cleanup and gc work`, async () => {
      const on = await small(format, "600M")
      const make = (id: string) => on.redd("prepare", "--id", id, "--image", "tiny", "--boot", "none")
      for (const id of ["full", "dead"]) await succeeds(make(id))
      await die(on, "dead")
      const { code, stderr } = await on.script("full", "cat /dev/zero >/tmp/a 2>/dev/null; cat /dev/zero >/tmp/b")
      assert.notStrictEqual(code, 0)
      assert.include(stderr, `redd: the machine's disk is full (the file system of ${on.root})`)
      // To GitLab that is not the job's failure.
      await shell("echo 'exit 3' >/run/fails")
      const stage = { environment: { REDD_GITLAB_ID: "full" } }
      const verdict = await on.reddWith(stage, "gitlab", "run", "/run/fails", "build_script")
      assert.strictEqual(verdict.code, 2)
      assert.match(verdict.stderr, /disk is full|no space left on device/)
      // And what the machine's users may not take.
      await here.host.run(["/bin/sh", "-c", 'cat /dev/zero >"$1/fill"; echo x >"$1/more"', "sh", on.root])
      const refused = await make("next")
      assert.strictEqual(refused.code, 125)
      assert.match(
        refused.stderr,
        /^redd: Only \S* are free at .+, and 256M are kept in reserve\.\nhint: free some space/m
      )
      assert.include((await succeeds(on.redd("gc"))).stdout, 'released machine "dead"')
      await succeeds(on.redd("cleanup", "--id", "full"))
      await shell('rm -f "$1/fill" "$1/more"', on.root)
      await succeeds(make("next"))
      await succeeds(on.redd("cleanup", "--id", "next"))
      await gone(on)
    })

    it(`read-only, on ${format}: the machine ends all the same, its record stays until its tree can go`, async () => {
      const on = await small(format, "600M")
      await succeeds(on.redd("prepare", "--id", "ro", "--image", "tiny", "--boot", "none"))
      await shell('mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"', on.root)
      const run = await on.script("ro", "true")
      assert.strictEqual(run.code, 125)
      assert.include(run.stderr, "read-only file system")
      const cleanup = await on.redd("cleanup", "--id", "ro")
      assert.strictEqual(cleanup.code, 125)
      assert.match(cleanup.stderr, /Machine "ro" is not quite gone: .*Read-only file system/i)
      assert.isFalse((await left(on)).some((line) => line.startsWith("process:")))
      assert.strictEqual((await on.redd("prepare", "--id", "other", "--image", "tiny", "--boot", "none")).code, 125)
      await shell('umount "$1"', on.root)
      await succeeds(on.redd("gc"))
      await gone(on)
    })
  }
})
