import { assert, it } from "@effect/vitest"
import { brief } from "../../../src/host/Text.ts"

it("a word in a sentence is one line of a bounded length", () => {
  assert.strictEqual(brief("a\nb"), "a\\nb")
  assert.strictEqual(brief("x".repeat(10_000)).length, 101)
})
