/** Images: made, listed, removed; and the place for them on a host that has none. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { fullSuite, lab, left, type State, state, succeeds, thisMachine, until } from "./Lab.ts"

describe("an image", () => {
  let here: State
  const names = async () =>
    JSON.parse((await succeeds(here.redd("image", "list", "--json"))).stdout).map(
      (image: { name: string }) => image.name
    )

  beforeAll(() => {
    // This machine has mmdebstrap; the lab's hosts have not.
    here = state(thisMachine(), "btrfs")
  })
  afterAll(async () => {
    await here.redd("image", "remove", "fresh")
    assert.deepStrictEqual(await left(here), [])
  })

  it("is made by mmdebstrap, settled, used by a machine, and removed", async () => {
    await succeeds(here.redd("image", "create", "fresh", "--suite", "trixie"))
    assert.include(await names(), "fresh")
    await succeeds(here.redd("prepare", "--id", "m", "--image", "fresh", "--engine", "standalone"))
    const settled =
      "for f in /etc/.updated /var/.updated; do [ ! /usr -nt $f ] && echo settled; done; systemctl show -P ConditionResult ldconfig systemd-update-done"
    assert.strictEqual((await succeeds(here.script("m", settled))).stdout, "settled\nsettled\nno\n\nno\n")
    const busy = await here.redd("image", "remove", "fresh")
    assert.strictEqual(busy.code, 125)
    assert.include(busy.stderr, 'in use by machine "m"')
    await succeeds(here.redd("cleanup", "--id", "m"))
    await succeeds(here.redd("image", "remove", "fresh"))
    assert.notInclude(await names(), "fresh")
    assert.strictEqual((await succeeds(here.host.run(["ls", "-A", `${here.root}/images/.generations`]))).stdout, "")
  })

  it.each([["../x"], [".hidden"], ["-x"], ["a/b"], ["x".repeat(65)]])("%j cannot name one", async (name) => {
    const { code, stderr } = await here.redd("image", "create", "--suite", "trixie", "--", name)
    assert.strictEqual(code, 125)
    assert.include(stderr, "cannot name an image")
  })

  it("a bootstrap that fails leaves no image, and says the tool's last lines", async () => {
    const { code, stderr } = await here.redd("image", "create", "bad", "--suite", "nowhere")
    assert.strictEqual(code, 125)
    assert.match(stderr, /mmdebstrap failed with exit code \d+: [^]*nowhere/)
    assert.notInclude(await names(), "bad")
    assert.strictEqual((await succeeds(here.host.run(["ls", "-A", `${here.root}/images/.staging`]))).stdout, "")
  })

  it("one that is being made and is killed leaves nothing after gc", async () => {
    const run = here.start("image", "create", "killed", "--suite", "trixie")
    const staged = `${here.root}/images/.staging/killed/usr`
    await succeeds(
      here.host.run(["/bin/sh", "-c", `for i in $(seq 600); do [ ! -d ${staged} ] || exit 0; sleep 0.05; done; exit 1`])
    )
    run.signal("SIGKILL")
    await run.outcome
    // The tools would hold the image's lock, had the kernel not ended them.
    await until("gc has deleted it", async () => {
      await succeeds(here.redd("gc"))
      return (await succeeds(here.host.run(["ls", "-A", `${here.root}/images/.staging`]))).stdout === ""
    })
  })

  it("removing one that is absent says so", async () => {
    const { code, stderr } = await here.redd("image", "remove", "absent")
    assert.strictEqual(code, 125)
    assert.include(stderr, 'no image "absent"')
  })
})

const poolOn = (name: string, host: () => State["host"]) => {
  describe(`a pool, ${name}`, () => {
    const root = "/srv/pool test/redd"
    const redd = (...args: ReadonlyArray<string>) =>
      host().run([`${host().repository}/bin/redd`, ...args], { environment: { REDD_ROOT: root } })
    const findmnt = async () =>
      (await host().run(["findmnt", "--noheadings", "--bytes", "--output", "FSTYPE,SIZE", root])).stdout
        .trim()
        .split(/\s+/)

    afterAll(async () => {
      await redd("setup", "--remove")
      await host().run(["rmdir", "/srv/pool test"])
    })

    it("is made, is there already, grows, does not shrink, and goes", async () => {
      await succeeds(host().run(["mkdir", "-p", "/srv/pool test"]))
      await succeeds(redd("setup", "--pool", "300M"))
      assert.deepStrictEqual(await findmnt(), ["btrfs", String(300 * 2 ** 20)])
      assert.include((await succeeds(redd("setup", "--pool", "300M"))).stderr, "there already")
      assert.include((await succeeds(redd("setup", "--pool", "400M"))).stderr, "has 400M now")
      assert.deepStrictEqual(await findmnt(), ["btrfs", String(400 * 2 ** 20)])
      // As a growth leaves it that was killed after its note.
      await succeeds(host().run(["sed", "-i", `s/${400 * 2 ** 20}/${450 * 2 ** 20}/`, `${root}.pool.json`]))
      await succeeds(redd("setup", "--pool", "450M"))
      assert.deepStrictEqual(await findmnt(), ["btrfs", String(450 * 2 ** 20)])
      const smaller = await redd("setup", "--pool", "300M")
      assert.strictEqual(smaller.code, 125)
      assert.include(smaller.stderr, "can grow and not shrink")
      assert.strictEqual((await redd("list")).code, 0)
      await succeeds(redd("setup", "--remove"))
      assert.deepStrictEqual(await findmnt(), [""])
      assert.strictEqual((await succeeds(host().run(["ls", "-A", "/srv/pool test"]))).stdout, "")
      await succeeds(redd("setup", "--remove"))
    })

    it("is refused where it would hide what is there", async () => {
      await succeeds(host().run(["mkdir", "-p", `${root}/something`]))
      const { code, stderr } = await redd("setup", "--pool", "300M")
      assert.strictEqual(code, 125)
      assert.include(stderr, "is not empty")
      await succeeds(host().run(["/bin/sh", "-c", `rmdir '${root}/something' '${root}'`]))
    })
  })
}

poolOn("without systemd", thisMachine)
poolOn("as a mount unit of systemd", () => lab(fullSuite()))
