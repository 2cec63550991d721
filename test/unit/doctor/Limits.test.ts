import { assert, describe, it } from "@effect/vitest"
import { keysOfRoot, type LimitFacts, limits, suspects } from "../../../src/doctor/Limits.ts"

const plenty: LimitFacts = {
  inotify: { limit: 8192, used: 40, refused: false },
  keys: { limit: 1_000_000, used: 30 },
  ptys: { limit: 4096, reserved: 1024, used: 3 },
  namespaces: { user: 10_000, mnt: 10_000 }
}
const findings = (facts: Partial<LimitFacts>, machines = 16) =>
  limits({ ...plenty, ...facts }, machines).filter(({ status }) => status !== "ok")

describe("limits", () => {
  it("a host with plenty has nothing to mend", () => assert.deepStrictEqual(findings({}), []))

  it("a stock kernel's inotify instances do for 12 machines, and not for 16", () => {
    const stock = { inotify: { limit: 128, used: 10, refused: false } }
    assert.deepStrictEqual(findings(stock, 12), [])
    const [found] = findings(stock, 16)
    assert.strictEqual(found?.status, "warning")
    assert.include(found?.message, "128 inotify instances are enough for about 12 machines, not for 16")
    assert.strictEqual(found?.remedy, "sysctl -w fs.inotify.max_user_instances=8192")
    assert.deepStrictEqual(found?.mend, { _tag: "Raise", parameter: "fs.inotify.max_user_instances", value: 8192 })
  })
  it("what is raised is enough for as many machines as are wanted", () => {
    const [found] = findings({}, 2000)
    assert.strictEqual(found?.remedy, "sysctl -w fs.inotify.max_user_instances=32768")
    const raised = { limit: 32_768, used: 40, refused: false }
    assert.deepStrictEqual(
      findings({ inotify: raised }, 2000).filter(({ check }) => check === "inotify"),
      []
    )
  })
  it("a limit that is used up is raised, however large it is", () => {
    const [found] = findings({ inotify: { limit: 65_536, used: 65_536, refused: true } })
    assert.deepStrictEqual(found?.mend, { _tag: "Raise", parameter: "fs.inotify.max_user_instances", value: 131_072 })
  })
  it("each kind of namespace has a finding, so that one mending is enough", () => {
    assert.strictEqual(findings({ namespaces: { user: 0, mnt: 10, pid: 10_000 } }).length, 2)
  })
  it.each([
    ["too few for one more machine", { limit: 128, used: 121, refused: false }],
    ["the kernel refuses", { limit: 128, used: 3, refused: true }],
    ["none allowed", { limit: 0, used: 0, refused: false }]
  ])("inotify fails: %s", (_, inotify) => {
    const [found] = findings({ inotify }, 1)
    assert.strictEqual(found?.status, "failed")
    assert.include(found?.message, "inotify instances")
    assert.include(found?.remedy, "sysctl -w fs.inotify.max_user_instances=")
  })

  it.each([
    ["keyrings", { keys: { limit: 200, used: 190 } }, { keys: { limit: 200, used: 198 } }],
    ["ptys", { ptys: { limit: 1050, reserved: 1024, used: 20 } }, { ptys: { limit: 1044, reserved: 1024, used: 20 } }],
    ["namespaces", { namespaces: { user: 15, mnt: 1000 } }, { namespaces: { user: 0, mnt: 1000 } }]
  ])("%s: few are a warning, none a failure, each with its parameter", (check, few, none) => {
    assert.deepStrictEqual(
      findings(few).map((found) => [found.status, found.check]),
      [["warning", check]]
    )
    const found = findings(none)
    assert.deepStrictEqual(
      found.map((found) => [found.status, found.check]),
      [["failed", check]]
    )
    assert.match(
      found[0]?.remedy ?? "",
      /^sysctl -w (kernel\.keys\.root_maxkeys|kernel\.pty\.max|user\.max_user_namespaces)=\d+$/
    )
  })
  it("what raising sets ends the finding", () => {
    for (const check of [
      { keys: { limit: 200, used: 200 } },
      { ptys: { limit: 20, reserved: 1024, used: 20 } },
      { namespaces: { user: 0 } }
    ]) {
      const mend = findings(check, 100)[0]?.mend
      assert.strictEqual(mend?._tag, "Raise")
      const limit = mend?._tag === "Raise" ? mend.value : 0
      const raised = {
        ...("keys" in check ? { keys: { ...check.keys, limit } } : {}),
        ...("ptys" in check ? { ptys: { ...check.ptys, limit } } : {}),
        ...("namespaces" in check ? { namespaces: { user: limit } } : {}),
        inotify: { limit: 8192, used: 0, refused: false }
      }
      assert.deepStrictEqual(findings(raised, 100), [])
    }
  })
})

const named = (said: string, facts: LimitFacts = plenty) =>
  suspects(facts, said).filter(({ status }) => status === "failed")

describe("what kept a machine from starting", () => {
  it("is nothing of the host's, where it has room and nobody complained", () => {
    assert.deepStrictEqual(named("Failed to start init: No such file or directory"), [])
  })
  it.each([
    "Failed to allocate manager object: Too many open files",
    "Failed to create control group inotify object: Too many open files"
  ])("is inotify where systemd says: %s", (said) => {
    const [found] = named(said)
    assert.strictEqual(found?.check, "inotify")
    assert.include(found?.remedy, "sysctl -w fs.inotify.max_user_instances=16384")
  })
  it("is said once, where the figures say it as well", () => {
    const full = { ...plenty, inotify: { limit: 128, used: 128, refused: true } }
    assert.strictEqual(named("Failed to allocate manager object: Too many open files", full).length, 1)
  })
})

it("root's keys are those that count against its quota", () => {
  assert.strictEqual(keysOfRoot("    0:    34 33/33 28/1000000 451/25000000\n  997:     1 1/1 1/200 9/20000\n"), 28)
  assert.strictEqual(keysOfRoot(""), 0)
})
