import { assert, describe, it } from "@effect/vitest"
import { byWorth, momentOf, stampOf } from "../../../src/image/Generations.ts"

describe("generations", () => {
  it("are called by a moment that is read back", () => {
    const ms = Date.parse("2026-11-25T22:16:00.123Z")
    assert.strictEqual(stampOf(ms), "20261125221600123")
    assert.strictEqual(momentOf(`/images/.generations/trixie/${stampOf(ms)}`), ms)
    assert.isUndefined(momentOf("/images/trixie"))
  })

  const before: Readonly<Record<string, string>> = { b: "a", c: "b", d: "b", e: "d" }
  it.each([
    ["the newest first", "c", ["a", "b"], ["b", "a"]],
    ["what was rolled back from is still there to go forward to", "b", ["a", "c"], ["c", "a"]],
    ["what was left behind goes first", "d", ["a", "b", "c"], ["b", "a", "c"]],
    ["even when more has come since", "e", ["a", "b", "c", "d"], ["d", "b", "a", "c"]],
    ["without a word of what was before, all that is older was", "x", ["a", "b"], ["b", "a"]]
  ])("%s", (_, current, others, wanted) => {
    assert.deepStrictEqual(
      byWorth(current, others, (stamp) => before[stamp]),
      wanted
    )
  })

  it("whose notes go round in a circle are still ordered", () => {
    assert.deepStrictEqual(
      byWorth("b", ["a"], () => "a"),
      ["a"]
    )
  })
})
