/** Slices that a systemd holds, and which manager is chosen. */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { bySystemd, failure, sliceSuite, spansOf, type Stage, stageOf, written } from "../suite/slice.ts"
import { fullSuite, inMounts, lab, succeeds, thisMachine } from "./Lab.ts"
import { asUser, withoutSystemd, withUser } from "./Users.ts"

for (const subject of bySystemd) sliceSuite(subject)

const choose = async (subject: Pick<Parameters<typeof stageOf>[0], "manager" | "host" | "as" | "hold">) =>
  (await stageOf({ title: "", ...subject })).run({ do: "choose" })

describe("which manager holds a slice", () => {
  it("auto is the host's systemd for root, and says so", async () => {
    const { stdout } = await succeeds(choose({ manager: "auto", host: () => lab(fullSuite()) }))
    assert.include(stdout, '"manager":"system","why":"scopes of the host\'s systemd","unfit":[],"lasts":"yes"')
  })

  it("auto is a cgroup where PID 1 is not systemd, and says why", async () => {
    const { stdout } = await succeeds(choose({ manager: "auto", host: thisMachine }))
    assert.match(stdout, /"manager":"standalone","why":"a cgroup in [^"]*, since: .*PID 1 is not systemd"/)
  })

  it("auto is a user's systemd for others, and PID namespaces where they have none", async () => {
    const as = asUser("pi", "XDG_RUNTIME_DIR=/run/user/1000")
    const theirs = await succeeds(choose({ manager: "auto", host: withUser, as }))
    assert.include(theirs.stdout, '"manager":"user","why":"scopes of the systemd of pi"')
    const none = await succeeds(choose({ manager: "auto", host: withoutSystemd, as: asUser("nobus") }))
    assert.match(none.stdout, /"manager":"standalone","why":"PID namespaces, since: XDG_RUNTIME_DIR is not set/)
  })

  it("without XDG_RUNTIME_DIR the folder that is there is named, or how to get one", async () => {
    const there = failure(await choose({ manager: "user", host: withUser, as: asUser("pi") }))
    assert.deepInclude(there, { tag: "RuntimeFolderMissing", hint: "export XDG_RUNTIME_DIR=/run/user/1000" })
    const absent = failure(await choose({ manager: "user", host: withoutSystemd, as: asUser("nobus") }))
    assert.strictEqual(absent.tag, "RuntimeFolderMissing")
    assert.include(absent.hint, "sudo loginctl enable-linger nobus")
  })

  it("a folder without a bus is told from no folder", async () => {
    const host = withoutSystemd
    const script = "mkdir -p /run/user/1234 && chown nobus /run/user/1234"
    await succeeds((await host()).run(["/bin/sh", "-c", script]))
    const as = asUser("nobus", "XDG_RUNTIME_DIR=/run/user/1234")
    const error = failure(await choose({ manager: "user", host, as }))
    assert.strictEqual(error.tag, "UserBusMissing")
    assert.include(error.hint, "apt-get install dbus-user-session")
    await succeeds((await host()).run(["rmdir", "/run/user/1234"]))
  })

  it("lingering that is off is an error for who leaves something running, and for nobody else", async () => {
    const as = asUser("pi", "XDG_RUNTIME_DIR=/run/user/1000")
    assert.include((await succeeds(choose({ manager: "user", host: withUser, as }))).stdout, '"lasts":"yes"')
    // Its systemd goes with its last session: it has one, so that it stays.
    const host = await withUser()
    await succeeds(host.run(["systemctl", "start", "user@1000.service"]))
    await succeeds(host.run(["mv", "/var/lib/systemd/linger/pi", "/root/pi"]))
    try {
      const { stdout } = await succeeds(choose({ manager: "user", host: withUser, as }))
      assert.include(stdout, '"manager":"user"')
      assert.include(stdout, '"lasts":"LingeringOff"')
    } finally {
      await succeeds(host.run(["mv", "/root/pi", "/var/lib/systemd/linger/pi"]))
    }
  })

  it("root's systemd is refused to others, and every manager says what would mend it", async () => {
    const error = failure(await choose({ manager: "system", host: withoutSystemd, as: asUser("nobus") }))
    assert.strictEqual(error.tag, "ManagerUnfit")
    assert.include(error.message, "only root")
    assert.include(failure(await choose({ manager: "user", host: thisMachine })).message, "PID 1 is not systemd")
    const cgroup = { manager: "standalone", hold: "cgroup", host: withoutSystemd, as: asUser("nobus") } as const
    assert.include(failure(await choose(cgroup)).message, "may not make a cgroup")
  })
})

describe("a slice of root's", () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await stageOf({ title: "", manager: "system", host: () => lab(fullSuite()) })
  })

  it("runs a command as another user, with their environment", async () => {
    const command = 'id -un; id -Gn; echo "$HOME $USER"; cat /proc/self/cgroup | tail -n 1'
    const order = { do: "run", name: "user", once: true, output: "inherit" } as const
    const found = written(await succeeds(stage.run({ ...order, commands: [["sh", "-c", command]], user: "daemon" })))
    assert.match(found, /^daemon\ndaemon\n\/usr\/sbin daemon\n0::.*\/redd_s[^/]*\.slice\/redd_[^/]*\.scope\n/)
  })

  it("says that a user is unknown, and that a program is closed to a user", async () => {
    const unknown = failure(await stage.run({ do: "run", name: "who", commands: [["true"]], user: "nobody-there" }))
    assert.strictEqual(unknown.tag, "UserUnknown")
    await succeeds(stage.host.run(["install", "-D", "-m", "700", "/bin/true", "/root/closed"]))
    const closed = failure(await stage.run({ do: "run", name: "who", commands: [["/root/closed"]], user: "daemon" }))
    assert.strictEqual(closed.tag, "CommandNotExecutable")
    assert.include(closed.message, "daemon may not execute it")
    assert.deepStrictEqual(await stage.left(), [])
  })

  it("is not found absent while what a killed owner was starting is under way", async () => {
    const mark = stage.mark()
    const order = { do: "run", name: "slow", commands: [["sleep", mark]], graceMs: 0 } as const
    const spans = spansOf(await succeeds(stage.run({ ...order, commands: [["true"]], once: true, spans: true })))
    const index = spans.findIndex((name) => name.endsWith("/systemd-run"))
    const slow = `cp /usr/bin/systemd-run /run/quick
printf '#!/bin/sh\\nsleep 1\\nexec /run/quick "$@"\\n' >/run/slow
chmod 755 /run/slow
mount --bind /run/slow /usr/bin/systemd-run
exec "$@"`
    await stage.host.run([...inMounts(slow), ...stage.words({ ...order, die: { when: "during", index } })])
    await succeeds(stage.run({ do: "stop", name: "slow", graceMs: 0 }))
    const running = (await stage.host.run(["pgrep", "--full", `/run/(slow|quick)`])).stdout
    assert.deepStrictEqual([running, await stage.alive(mark), await stage.left()], ["", [], []])
  })
})
