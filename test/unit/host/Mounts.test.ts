import { assert, describe, it } from "@effect/vitest"
import * as Mounts from "../../../src/host/Mounts.ts"

describe("mountinfo", () => {
  it("is read with its escapes undone, in mount order", () => {
    const text = [
      "36 35 98:0 / /mnt/a\\040b rw,noatime master:1 - ext4 /dev/root rw,errors=continue",
      "37 36 0:31 / /mnt/\\303\\274 rw - tmpfs redd rw",
      "garbage",
      ""
    ].join("\n")
    assert.deepStrictEqual(Mounts.parse(text), [
      { path: "/mnt/a b", type: "ext4", source: "/dev/root" },
      { path: "/mnt/ü", type: "tmpfs", source: "redd" }
    ])
  })
})
