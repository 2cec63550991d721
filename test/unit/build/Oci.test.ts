import { assert, describe, it } from "@effect/vitest"
import { choose, type Descriptor, hiddenBy } from "../../../src/build/bootstrap/Oci.ts"

describe("a whiteout", () => {
  it.each([
    [".wh.a", { _tag: "One", name: "a" }],
    [".wh..hidden", { _tag: "One", name: ".hidden" }],
    [".wh..wh..opq", { _tag: "All" }],
    [".wh..wh.plnk", { _tag: "None" }],
    [".wh.", undefined],
    [".wh..", undefined],
    [".wh...", undefined],
    [".wh.\uFFFD", undefined]
  ])("%s", (name, expected) => assert.deepStrictEqual(hiddenBy(name), expected))
})

const image = (tag: string | undefined, architecture?: string): Descriptor => ({
  digest: `${tag} ${architecture}`,
  size: 1,
  ...(tag === undefined ? {} : { annotations: { "org.opencontainers.image.ref.name": tag } }),
  ...(architecture === undefined ? {} : { platform: { os: "linux", architecture } })
})

describe("which image of a layout", () => {
  const ours = process.arch === "x64" ? "amd64" : process.arch
  const [one, two] = [image("one"), image("two")]

  it("the one with the tag, or the only one", () => {
    assert.strictEqual(choose([one, two], "two"), two)
    assert.strictEqual(choose([one], undefined), one)
  })
  it("of several with a tag, the one for this host", () => {
    const mine = image("one", ours)
    assert.strictEqual(choose([image("one", "riscv64"), mine], "one"), mine)
  })
  it("else it says what there is", () => {
    assert.strictEqual(choose([one, two], undefined), "which image is not clear; it has one, two")
    assert.strictEqual(choose([one, two], "three"), "no image has that tag; it has one, two")
    assert.strictEqual(choose([], undefined), "which image is not clear; its images have no tags")
  })
})
