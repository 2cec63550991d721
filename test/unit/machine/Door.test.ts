import { spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { startScript } from "../../../src/machine/Door.ts"

/** The words that a shell makes of the script's `set --` line. */
const words = (given: ReadonlyArray<Uint8Array>): Buffer => {
  const script = startScript({
    run: "1",
    command: { _tag: "Words", words: given, user: undefined },
    environment: {},
    folder: "/",
    stdin: false
  })
  const text = Buffer.from(script)
  const from = text.indexOf("set --")
  const line = text.subarray(from, text.indexOf("\nPATH=", from))
  return spawnSync("/bin/sh", {
    input: Buffer.concat([line, Buffer.from('\nfor word; do printf "%s\\0" "$word"; done\n')])
  }).stdout
}

describe("the script that starts a run", () => {
  it("keeps every byte of every word from the shell", () => {
    const word = fc.uint8Array({ min: 1, maxLength: 40 })
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), (given) => {
        assert.deepStrictEqual(words(given), Buffer.concat(given.flatMap((each) => [each, Uint8Array.of(0)])))
      }),
      { numRuns: 60 }
    )
  })
  it("is a script that a POSIX shell can read", () => {
    for (const command of [
      { _tag: "Script", shell: undefined },
      { _tag: "Script", shell: "/bin/zsh" },
      { _tag: "Words", words: [Uint8Array.of(0x27)], user: "o'brien" }
    ] as const) {
      const script = startScript({
        run: "7",
        command,
        environment: { A: "it's", B: "x\ny" },
        folder: "/a b",
        stdin: true
      })
      const { status, stderr } = spawnSync("/bin/sh", ["-n"], { input: script, encoding: "utf8" })
      assert.strictEqual(status, 0, stderr)
    }
  })
})
