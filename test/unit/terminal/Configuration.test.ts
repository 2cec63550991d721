import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { parse } from "../../../adapters/terminal/Configuration.ts"

const mistakes = (text: string) =>
  Result.match(parse("c.yaml", text), { onFailure: (problems) => problems, onSuccess: () => [] })

describe("the configuration", () => {
  it("may be empty", () => {
    assert.strictEqual(Result.getOrThrow(parse("c.yaml", "")).root, "/var/lib/redd")
  })
  it("has sizes and durations as people write them", () => {
    const { grace, limits } = Result.getOrThrow(parse("c.yaml", "limits: { memory: 4G, cpus: 2 }\ngrace: 1m30s\n"))
    assert.deepStrictEqual(limits, { memoryBytes: 4 * 2 ** 30, cpus: 2, tasks: 16_384 })
    assert.strictEqual(Duration.toSeconds(grace), 90)
  })
  it("names every mistake by file, line and key", () => {
    const found = mistakes("backend: zfs\nlimits:\n  memory: 3apples\n  cpu: 2\n")
    assert.strictEqual(found.length, 3)
    assert.match(found.join("\n"), /^c\.yaml:1: backend: /m)
    assert.match(found.join("\n"), /^c\.yaml:3: limits\.memory: .*a size such as/m)
    assert.match(found.join("\n"), /^c\.yaml:4: limits\.cpu: /m)
  })
  it("names the line of what is no YAML", () => {
    assert.match(mistakes("a: b\nc: [").join(), /^c\.yaml:\d: /)
  })
  it("never throws, whatever the file holds", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(..."ab:{}[]-\n \"'&*!|>#%@") }),
        (text) => void parse("c.yaml", text)
      )
    )
  })
})
