import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import * as SliceName from "../../../src/slice/SliceName.ts"

const isName = Schema.is(SliceName.SliceName)
const keyOf = (name: string, folder = "/run/redd") => SliceName.keyOf(folder, SliceName.SliceName.make(name))

describe("the name of a slice", () => {
  it("is any text of 1 to 1000 bytes without a NUL", () => {
    for (const name of ["a", "a/b-c", "ü\n", "n".repeat(1000)]) assert.isTrue(isName(name), name)
    for (const name of ["", "a\0b", "n".repeat(1001), "ü".repeat(501), 7]) assert.isFalse(isName(name), String(name))
  })

  it("becomes a key that neither nests nor leaves its folder, whatever it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 80 }).filter(isName), (name) => {
        const key = keyOf(name)
        // systemd.unit(5): letters, digits, `:-_.\\`; a dash in a slice's name makes it a child (systemd.slice(5)).
        assert.match(SliceName.unitOf({ key }), /^redd_[a-z0-9]{1,20}_[0-9a-f]{16}\.slice$/)
        assert.match(SliceName.cgroupNameOf({ key, run: "1" }), /^redd_[a-z0-9]+_[0-9a-f]+\/1$/)
      })
    )
  })

  it("has a key of its own, and another one for another user", () => {
    const names = ["a-b", "a/b", "ab", "AB", "a b", "プレーヤー", "プレーヤ", "n".repeat(300), "n".repeat(299)]
    assert.strictEqual(new Set(names.map((name) => keyOf(name))).size, names.length)
    assert.notStrictEqual(keyOf("a"), keyOf("a", "/run/user/1000/redd"))
    assert.match(keyOf("プレーヤー"), /^slice_/)
    assert.match(keyOf("Lobby Screen 2"), /^lobbyscreen2_/)
  })
})
