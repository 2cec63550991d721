import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { Quantity } from "../../../src/index.ts"

describe("sizes", () => {
  it.each([
    ["512M", 512 * 2 ** 20],
    ["4G", 4 * 2 ** 30],
    ["1.5k", 1536],
    ["100", 100]
  ])("%s is %d bytes", (text, bytes) => assert.deepStrictEqual(Quantity.size(text), Option.some(bytes)))
  it.each(["3apples", "", "-1G", "0", "G", "4 GB"])("%j is no size", (text) =>
    assert.isTrue(Option.isNone(Quantity.size(text)))
  )
})

describe("durations", () => {
  it.each([
    ["90s", 90_000],
    ["1h30m", 5_400_000],
    ["250ms", 250],
    ["7", 7000]
  ])("%s is %d ms", (text, ms) =>
    assert.deepStrictEqual(Option.map(Quantity.duration(text), Duration.toMillis), Option.some(ms))
  )
  it.each(["soon", "", "-5s", "5 minutes"])("%j is no duration", (text) =>
    assert.isTrue(Option.isNone(Quantity.duration(text)))
  )
})
