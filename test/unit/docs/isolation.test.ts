/** docs/concepts/isolation.md and the attempts that the lab makes are one list. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { attempts, known, none } from "../../lab/attempts.ts"

const page = readFileSync(new URL("../../../docs/concepts/isolation.md", import.meta.url), "utf8")
const rows = page.split("\n").filter((line) => line.startsWith("| "))

describe("the page on isolation", () => {
  it.each(attempts)("has a row for: $tried", (attempt) => {
    const row = rows.find((line) => line.split(" | ")[0]?.includes(attempt.tried))
    assert.isDefined(row)
    assert.include(row, ` | ${attempt.held} | ${none[attempt.none]} |`)
  })
  it.each(known)("has a row for: $tried", ({ remedy, tried }) => {
    assert.include(rows, `| ${tried} | ${remedy} |`)
  })
})
