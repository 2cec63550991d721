/** Every command of the README and the docs that is marked `sh test` runs as it stands there. */
import { readdirSync, readFileSync } from "node:fs"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { fullSuite, lab, left, type State, state, succeeds } from "./Lab.ts"

const top = new URL("../../", import.meta.url).pathname
const pages = [
  "README.md",
  ...readdirSync(`${top}docs`, { recursive: true, encoding: "utf8" })
    .filter((page) => page.endsWith(".md"))
    .map((page) => `docs/${page}`)
]
const blocks = pages.flatMap((page) =>
  [...readFileSync(`${top}${page}`, "utf8").matchAll(/^```sh test\n([^]*?)^```$/gm)].map(([, block = ""]) => ({
    page,
    block
  }))
)

let here: State
beforeAll(() => {
  here = state(lab(fullSuite()), "btrfs")
})
afterAll(async () => assert.deepStrictEqual(await left(here), []))

describe("the docs", () => {
  it("have commands to run", () => assert.isAtLeast(blocks.length, 3))
  it.each(blocks)("$page: $block", async ({ block }) => {
    const script = `set -eu\nPATH=$1/bin:$PATH\n${block}`
    await succeeds(
      here.host.run(["/bin/sh", "-c", script, "docs", here.host.repository], { environment: { REDD_ROOT: here.root } })
    )
    assert.deepStrictEqual(await left(here), [])
  })
  it("link to pages that exist", () => {
    for (const page of pages) {
      for (const [, target = ""] of readFileSync(`${top}${page}`, "utf8").matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
        const path = new URL(target, `file://${top}${page}`).pathname
        assert.doesNotThrow(() => readFileSync(path), undefined, `${page}: ${target}`)
      }
    }
  })
})
