import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { keep } from "../../../src/host/Sysctl.ts"

describe("what is kept for the next boot", () => {
  it("is added to what is there already", () => {
    assert.strictEqual(keep("", "kernel.pty.max", 8192), "kernel.pty.max = 8192\n")
    assert.strictEqual(
      keep("# mine\nvm.swappiness=1\n", "kernel.pty.max", 8192),
      "# mine\nvm.swappiness=1\nkernel.pty.max = 8192\n"
    )
  })
  it("replaces a smaller value, however it is written", () => {
    for (const line of ["kernel.pty.max=4096", "kernel/pty/max = 4096", "-kernel.pty.max =4096"])
      assert.strictEqual(keep(`${line}\n`, "kernel.pty.max", 8192), "kernel.pty.max = 8192\n")
  })
  it("never lowers, and a second time changes nothing", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (one, other) => {
        const first = keep("", "a.b", one)
        const second = keep(first, "a.b", other)
        assert.strictEqual(second, `a.b = ${Math.max(one, other)}\n`)
        assert.strictEqual(keep(second, "a.b", other), second)
      })
    )
  })
})
