import { assert, describe, it } from "@effect/vitest"
import { judge } from "../../../adapters/executor/Verdict.ts"
import type { Exit } from "../../../src/machine/Exec.ts"

const verdict = (exit: Exit, diskFull = false) => judge({ exit, diskFull, signal: undefined }, { root: "/state" })

describe("whose failure it is", () => {
  it("a script's own code is the job's, whatever it is", () => {
    for (let code = 1; code < 256; code++)
      assert.deepStrictEqual(verdict({ _tag: "Exited", code }), { _tag: "BuildFailure", code })
    assert.deepStrictEqual(verdict({ _tag: "Exited", code: 0 }), { _tag: "Success" })
  })
  it("a signal is the job's, as a shell would number it", () => {
    assert.deepInclude(verdict({ _tag: "Signaled", signal: 9 }), { _tag: "BuildFailure", code: 137 })
  })
  it("memory is the job's, and is said", () => {
    const found = verdict({ _tag: "OutOfMemory", code: 137 })
    assert.deepInclude(found, { _tag: "BuildFailure", code: 137 })
    assert.include(found._tag === "BuildFailure" ? found.words : "", "out of memory")
  })
  it("a machine that went away, a full disk and an end that GitLab wanted are not", () => {
    assert.strictEqual(verdict({ _tag: "MachineGone" })._tag, "SystemFailure")
    assert.strictEqual(verdict({ _tag: "Exited", code: 1 }, true)._tag, "SystemFailure")
    assert.strictEqual(verdict({ _tag: "Cancelled" })._tag, "SystemFailure")
  })
})
