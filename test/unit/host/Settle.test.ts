/** When changes have come to rest, on a clock of the test's own. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Settle from "../../../src/host/Settle.ts"

const rule: Settle.Rule<string> = { settleMs: 100, patienceMs: 1000, isSame: (one, other) => one === other }

/** Looks at how things are, from time to time; a thing at the start is `ageMs` old. */
const clock = (ageMs = 0) => {
  let state: Settle.Settling<string> = Settle.nothing
  let nowMs = 0
  return {
    /** What is said at this look, `laterMs` after the one before, or undefined. */
    look: (laterMs: number, things: Readonly<Record<string, string>>) => {
      nowMs += laterMs
      const { after, says } = Settle.look(state, new Map(Object.entries(things)), nowMs, rule, () => ageMs)
      state = after
      return says ? Object.fromEntries(after.said ?? []) : undefined
    }
  }
}

describe("what changes", () => {
  it("is said once it has stayed the same", () => {
    const { look } = clock()
    assert.deepStrictEqual(look(0, {}), {})
    assert.isUndefined(look(50, { a: "1" }))
    assert.isUndefined(look(50, { a: "1" }))
    assert.isUndefined(look(49, { a: "1" }))
    assert.deepStrictEqual(look(1, { a: "1" }), { a: "1" })
    assert.isUndefined(look(500, { a: "1" }))
  })
  it("begins to rest anew with each change, and is what it was until then", () => {
    const { look } = clock(1000)
    assert.deepStrictEqual(look(0, { a: "old", b: "1" }), { a: "old", b: "1" })
    for (const a of ["n", "ne", "new"]) assert.isUndefined(look(90, { a, b: "1" }))
    assert.deepStrictEqual(look(100, { a: "new", b: "1" }), { a: "new", b: "1" })
  })
  it("is no change where it comes back before it was said", () => {
    const { look } = clock(1000)
    look(0, { a: "1" })
    assert.isUndefined(look(10, {}))
    for (let i = 0; i < 5; i++) assert.isUndefined(look(100, { a: "1" }))
  })
  it("is said together", () => {
    const { look } = clock()
    look(0, {})
    assert.isUndefined(look(60, { a: "1" }))
    assert.isUndefined(look(60, { a: "1", b: "1" }))
    assert.isUndefined(look(60, { a: "1", b: "1" }))
    assert.deepStrictEqual(look(60, { a: "1", b: "1" }), { a: "1", b: "1" })
  })
  it("holds the rest up for no longer than patience, if it never rests", () => {
    const { look } = clock(1000)
    look(0, { log: "0", a: "1" })
    const said = Array.from({ length: 30 }, (_, i) => look(50, { log: String(i + 1), a: "2" }))
    assert.deepStrictEqual(
      said.flatMap((each, i) => (each === undefined ? [] : [{ i, each }])),
      [{ i: 20, each: { log: "0", a: "2" } }]
    )
  })
})

describe("at the start", () => {
  it("what is old is said at once", () => {
    assert.deepStrictEqual(clock(100).look(0, { a: "1" }), { a: "1" })
    assert.deepStrictEqual(clock().look(0, {}), {})
  })
  it("what is young is waited for", () => {
    const { look } = clock(40)
    assert.isUndefined(look(0, { a: "1" }))
    assert.isUndefined(look(50, { a: "1" }))
    assert.deepStrictEqual(look(10, { a: "1" }), { a: "1" })
  })
  it("what does not rest is not waited for", () => {
    const { look } = clock(40)
    assert.isUndefined(look(0, { a: "1", log: "0" }))
    assert.isUndefined(look(50, { a: "1", log: "1" }))
    assert.deepStrictEqual(look(50, { a: "1", log: "2" }), { a: "1" })
  })
})

describe("whatever happens", () => {
  const things = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.constantFrom("1", "2"), { noNullPrototype: true })
  const looks = fc.array(fc.record({ laterMs: fc.integer({ min: 0, max: 150 }), things }), { maxLength: 40 })

  it("what is said of a thing has stayed so for a while, and is news", () => {
    fc.assert(
      fc.property(looks, (series) => {
        const { look } = clock()
        let before: Readonly<Record<string, string>> | undefined
        let nowMs = 0
        const history: Array<{ readonly atMs: number; readonly things: Readonly<Record<string, string>> }> = []
        for (const { laterMs, things } of series) {
          nowMs += laterMs
          history.push({ atMs: nowMs, things })
          const said = look(laterMs, things)
          if (said === undefined) continue
          if (before !== undefined) assert.notDeepEqual(said, before)
          for (const name of ["a", "b", "c"]) {
            if (said[name] === before?.[name]) continue
            const changedMs = history.findLast((each) => each.things[name] !== said[name])?.atMs ?? 0
            const since = history.find((each) => each.atMs >= changedMs && each.things[name] === said[name])
            assert.isTrue(since !== undefined && nowMs - since.atMs >= rule.settleMs, name)
          }
          before = said
        }
      })
    )
  })

  it("what stays is said in the end", () => {
    fc.assert(
      fc.property(looks, things, (series, last) => {
        const { look } = clock()
        let said: Readonly<Record<string, string>> | undefined
        for (const { laterMs, things } of [...series, { laterMs: 10, things: last }, { laterMs: 100, things: last }])
          said = look(laterMs, things) ?? said
        assert.deepStrictEqual(said, { ...last })
      })
    )
  })
})
