import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { printable } from "../../../src/host/Text.ts"
import { parseStatus } from "../../../src/machine/Exec.ts"

describe("what the status FIFO says", () => {
  it.each([
    ["\n0\n", 0, false],
    ["\n255\n", 255, false],
    ["\nKilled\n137\n", 137, true],
    ["\n/run/redd/1/start: line 3: 42 Terminated\n143\n", 143, true]
  ] as const)("%j is an end", (text, code, remark) => {
    assert.deepStrictEqual(parseStatus(text), Option.some({ code: Option.some(code), remark }))
  })
  it.each(["", "\n", "\n13", "\n1337\n", "\n256\n", "\n-1\n", "\n 9\n", "\n0x9\n", "\n9 9\n"])("%j is none", (text) => {
    assert.isTrue(Option.isNone(parseStatus(text)))
  })
  it("whatever it says, what is read is nothing or a number from 0 to 255", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.string({ unit: fc.constantFrom(..."0123456789\nx ") }),
        (junk, digits) => {
          const found = parseStatus(junk + digits)
          if (Option.isNone(found)) return
          const code = Option.getOrElse(found.value.code, () => -1)
          assert.isTrue(Number.isInteger(code) && code >= 0 && code <= 255)
        }
      )
    )
  })
})

describe("what a machine wrote, on a terminal", () => {
  it("has no control character left but the newline", () => {
    assert.strictEqual(printable("\u001b[0;32m  OK  \u001b[0m\rx\u0007\u001b]0;title\u0007y\n\n"), "  OK  \nx]0;titley")
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => assert.notMatch(printable(text), /[\p{Cc}--\n]/v)))
  })
})
