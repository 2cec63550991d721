/** What every engine does, whatever the machine's root is made of. Run for each by test/lab/engines.test.ts. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { type Host, left, type State, state, succeeds, until } from "../lab/Lab.ts"

export interface Subject {
  readonly engine: "managed" | "standalone"
  readonly host: () => Host
}

export const engineSuite = ({ engine, host }: Subject): void => {
  describe(`the ${engine} engine`, () => {
    let here: State
    const prepare = (id: string, ...flags: ReadonlyArray<string>) =>
      here.redd("prepare", "--id", id, "--image", "trixie", "--engine", engine, ...flags)

    beforeAll(() => {
      here = state(host(), "btrfs")
    })
    afterAll(async () => assert.deepStrictEqual(await left(here), []))

    for (const boot of ["init", "full", "none"]) {
      it(`a machine with --boot ${boot} accepts commands, and goes`, async () => {
        await succeeds(prepare(boot, "--boot", boot))
        assert.strictEqual(
          (await succeeds(here.script(boot, "hostname || cat /proc/sys/kernel/hostname"))).stdout,
          `${boot}\n`
        )
        await succeeds(here.redd("cleanup", "--id", boot))
        assert.deepStrictEqual(await left(here), [])
      })
    }

    it("--grace lets a machine power off in order", async () => {
      await succeeds(prepare("graceful"))
      await succeeds(here.redd("cleanup", "--id", "graceful", "--grace", "30s"))
    })

    it("a machine whose processes ignore everything goes at once all the same", async () => {
      await succeeds(prepare("stubborn"))
      await succeeds(here.script("stubborn", "(trap '' TERM HUP INT; while :; do sleep 1; done) >/dev/null 2>&1 & :"))
      await succeeds(here.redd("cleanup", "--id", "stubborn"))
      assert.deepStrictEqual(await left(here), [])
    })

    it("SIGKILL of systemd-nspawn leaves nothing after cleanup", async () => {
      await succeeds(prepare("killed"))
      await succeeds(here.host.run(["pkill", "-KILL", "-f", `directory=${here.root}/machines/killed-`]))
      await succeeds(here.redd("cleanup", "--id", "killed"))
      assert.deepStrictEqual(await left(here), [])
    })

    it("a machine that powers itself off is dead, its next run says so, and gc releases it", async () => {
      await succeeds(prepare("off"))
      const { code, stderr } = await here.script("off", "systemctl poweroff --force --force; sleep 60")
      assert.strictEqual(code, 125)
      assert.include(stderr, "the machine went away")
      await until("dead", async () => (await here.redd("list", "--json")).stdout.includes('"state":"dead"'))
      assert.include((await succeeds(here.redd("gc"))).stdout, 'released machine "off" (dead)')
      assert.deepStrictEqual(await left(here), [])
    })

    it("an id whose machine died can be prepared again", async () => {
      await succeeds(prepare("again", "--boot", "none"))
      await here.script("again", "kill -KILL -1; sleep 60")
      await until("dead", async () => (await here.redd("list", "--json")).stdout.includes('"state":"dead"'))
      await succeeds(prepare("again", "--boot", "none"))
      await succeeds(here.redd("cleanup", "--id", "again"))
    })
  })
}
