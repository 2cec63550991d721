import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { candidates, choose, matchesAny } from "../../../src/image/Reference.ts"

const existing = ["trixie", "debian", "debian-bookworm", "sid"]
const chosen = (reference: string, map: Readonly<Record<string, string>> = {}) =>
  Option.getOrUndefined(choose(reference, { map, existing }))

describe("which image a reference means", () => {
  it.each([
    ["trixie", "trixie"],
    ["debian:trixie", "trixie"],
    ["registry.example.com/group/debian:trixie", "trixie"],
    ["registry.example.com:5000/debian:bookworm", "debian-bookworm"],
    ["registry.example.com:5000/debian", "debian"],
    ["debian:unknown", "debian"],
    ["debian:sid@sha256:0123abcd", "sid"],
    ["debian@sha256:0123abcd", "debian"]
  ])("%s is %s", (reference, image) => assert.strictEqual(chosen(reference), image))

  it.each([
    "",
    "../../etc",
    "ubuntu",
    "ubuntu:noble",
    "trixie/",
    "debian ",
    "sid\n",
    "x".repeat(10_000),
    ":",
    "/",
    "@"
  ])("%j is none", (reference) => assert.isUndefined(chosen(reference)))

  it("the map is asked first: the reference itself before globs, globs in their order", () => {
    const map = { "debian:*": "one", "*": "two", "debian:sid": "three" }
    assert.strictEqual(chosen("debian:trixie", map), "one")
    assert.strictEqual(chosen("debian:sid", map), "three")
    assert.strictEqual(chosen("trixie", map), "two")
  })

  it("what the map names need not exist: its author shall hear of that", () => {
    assert.strictEqual(chosen("trixie", { trixie: "gone" }), "gone")
  })

  it("without a map it is an image that exists, or none", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z/:@.-]{0,30}$/)), (reference) => {
        const found = chosen(reference)
        assert.isTrue(found === undefined || existing.includes(found))
      })
    )
  })

  it("what is nearest comes first", () => {
    assert.deepStrictEqual(candidates("a/b:c"), ["a/b:c", "b-c", "c", "b"])
  })
})

describe("globs", () => {
  it.each([
    ["debian:trixie", "debian:*", true],
    ["registry.example.com/a/b:1", "registry.example.com/*", true],
    ["registry.example.com.evil.net/a", "registry.example.com/*", false],
    ["debian", "debian?", false],
    ["debian1", "debian?", true],
    ["a.b", "a?b", true],
    ["axb", "a.b", false],
    ["", "*", true],
    ["", "", true],
    ["x", "", false]
  ])("%j and %j: %s", (text, glob, expected) => assert.strictEqual(matchesAny(text, [glob]), expected))

  it("match as a regular expression would", () => {
    const word = fc.stringMatching(/^[ab*?]{0,8}$/)
    fc.assert(
      fc.property(fc.stringMatching(/^[ab]{0,8}$/), word, (text, glob) => {
        const pattern = new RegExp(`^${glob.replaceAll("*", ".*").replaceAll("?", ".")}$`)
        assert.strictEqual(matchesAny(text, [glob]), pattern.test(text))
      })
    )
  })

  it("do not take for ever", () => {
    assert.isFalse(matchesAny("a".repeat(10_000), [`${"*a".repeat(50)}b`]))
  })
})
