import { spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { afterAll, assert, describe, it } from "@effect/vitest"

const folder = mkdtempSync(`${tmpdir()}/redd-start-`)
afterAll(() => rmSync(folder, { recursive: true }))
cpSync(new URL("../../../dist", import.meta.url).pathname, folder, { recursive: true })
const cache = `${folder}/redd-full.cjs.cache`
const whole = readFileSync(cache)

const version = () => spawnSync(process.execPath, [`${folder}/redd.cjs`, "--version"], { encoding: "utf8" })

describe("a code cache", () => {
  for (const [what, content] of [
    ["of another Node", Buffer.concat([Buffer.alloc(64, 7), whole.subarray(64)])],
    ["cut short", whole.subarray(0, whole.length >> 1)],
    ["of no bytes", Buffer.alloc(0)]
  ] as const) {
    it(`${what} is not used`, () => {
      writeFileSync(cache, content)
      const { status, stdout } = version()
      assert.match(stdout, /^redd \d/)
      assert.strictEqual(status, 0)
    })
  }
  it("that is missing is done without", () => {
    rmSync(cache)
    assert.strictEqual(version().status, 0)
  })
})
