/** The same life on the other suites of the lab: what each systemd must be able to do. */
import { assert, describe, it } from "@effect/vitest"
import { type Disk, lab, left, otherSuites, state, succeeds } from "./Lab.ts"

const places = [
  ["btrfs", "btrfs"],
  ["xfs", "reflink"],
  ["disk", "copy"]
] as const satisfies ReadonlyArray<readonly [Disk, string]>

for (const suite of otherSuites()) {
  describe(suite, () => {
    it("an overlay maps ids, or is refused: never a tree that is nobody's", async () => {
      const here = state(lab(suite), "disk")
      const outcome = await here.redd("prepare", "--id", "m", "--image", "trixie", "--backend", "overlay")
      if (outcome.code === 0) assert.strictEqual((await here.script("m", "stat -c %u / /etc/passwd")).stdout, "0\n0\n")
      else
        assert.match(outcome.stderr, /backend overlay does not work here: an ID-mapped overlay cannot be mounted here/)
      await succeeds(here.redd("cleanup", "--id", "m"))
      assert.deepStrictEqual(await left(here), [])
    })

    for (const engine of ["managed", "standalone"]) {
      it.each(places)(
        `on %s by %s, ${engine}: prepare, run, run, cleanup, and nothing is left`,
        async (disk, backend) => {
          const here = state(lab(suite), disk)
          await succeeds(
            here.redd("prepare", "--id", "m", "--image", "trixie", "--backend", backend, "--engine", engine)
          )
          await succeeds(here.script("m", "sleep 1000 >/dev/null 2>&1 & echo $! >/srv/pid"))
          const { stdout } = await succeeds(
            here.script(
              "m",
              'id -u; stat -c %u /etc; kill -0 "$(cat /srv/pid)" && echo lives; cut -c 1-30 /proc/self/uid_map'
            )
          )
          assert.match(stdout, /^0\n0\nlives\n +0 +[1-9]\d{5,}/)
          assert.strictEqual((await here.script("m", "kill -KILL $$")).code, 137)
          assert.strictEqual((await here.script("m", "sleep 60", "--timeout", "300ms")).code, 124)
          await succeeds(here.redd("cleanup", "--id", "m"))
          assert.deepStrictEqual(await left(here), [])
        }
      )
    }
  })
}
