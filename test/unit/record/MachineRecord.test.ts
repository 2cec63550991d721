import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { hostnameOf, keyOf, MachineId, MachineKey } from "../../../src/record/MachineRecord.ts"

const ids = fc
  .string({ unit: "binary", minLength: 1, maxLength: 60 })
  .filter((text) => Option.isSome(Schema.decodeUnknownOption(MachineId)(text)))
  .map((text) => MachineId.make(text))
const bigIds = fc.string({ unit: "grapheme", minLength: 50, maxLength: 300 })

describe("a machine's key", () => {
  it("is harmless in every name, whatever the id is", () => {
    fc.assert(fc.property(ids, (id) => assert.isTrue(Schema.is(MachineKey)(keyOf("/var/lib/redd", id)))))
  })
  it("two ids never share one, nor one id in two state folders", () => {
    fc.assert(
      fc.property(ids, ids, (one, two) => {
        fc.pre(one !== two)
        assert.notStrictEqual(keyOf("/a", one), keyOf("/a", two))
      })
    )
    fc.assert(fc.property(ids, (id) => assert.notStrictEqual(keyOf("/a", id), keyOf("/b", id))))
  })
  it("says the id as far as it can be read", () => {
    assert.match(keyOf("/a", MachineId.make("Job 17/β")), /^job17-[0-9a-f]{16}$/)
    assert.match(keyOf("/a", MachineId.make("日本")), /^machine-[0-9a-f]{16}$/)
  })
})

describe("a host name", () => {
  it("is a label of RFC 1123, whatever the id is", () => {
    fc.assert(fc.property(ids, (id) => assert.match(hostnameOf(id), /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)))
  })
})

describe("an id", () => {
  it("is refused when it is empty, or longer than 200 bytes", () => {
    const accepted = Schema.is(MachineId)
    assert.isFalse(accepted(""))
    assert.isTrue(accepted("x".repeat(200)))
    assert.isFalse(accepted("ü".repeat(101)))
    fc.assert(fc.property(bigIds, (text) => assert.strictEqual(accepted(text), Buffer.byteLength(text) <= 200)))
  })
})
