import { spawnSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const here = new URL("../../layers/", import.meta.url).pathname
const oxlint = new URL("../../../node_modules/.bin/oxlint", import.meta.url).pathname

describe("the import table", () => {
  it("bites: each planted violation is found", () => {
    const { stdout } = spawnSync(
      process.execPath,
      [oxlint, "-c", `${here}canary.oxlintrc.json`, "--format", "unix", `${here}canary`],
      {
        encoding: "utf8"
      }
    )
    const planted = readdirSync(`${here}canary`, { recursive: true, encoding: "utf8" }).filter((file) =>
      file.endsWith(".ts")
    )
    assert.isAtLeast(planted.length, 15)
    for (const file of planted) assert.include(stdout, `${file}:1:`)
  })
})
