import { assert, it } from "@effect/vitest"
import { parse } from "../../../src/host/Subordinates.ts"

it("subuid(5) is read line by line, and what is no range is passed over", () => {
  assert.deepStrictEqual(parse("pi:100000:65536\n# no\nbad:x:1\nq:1:\n\nroot:1000000:10"), [
    [100_000, 165_536],
    [1_000_000, 1_000_010]
  ])
})
