/** Code in the docs: lines of the examples, which are run. */
import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const top = new URL("../../../", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, top), "utf8")
const names = (folder: string, end: string) =>
  readdirSync(new URL(folder, top), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(end))
    .map((name) => `${folder}/${name}`)
const examples = names("examples", ".ts").map((path) => read(path).replaceAll(/^ +/gm, ""))
const blocks = ["README.md", ...names("docs", ".md")].flatMap((path) =>
  [...read(path).matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, text = ""]) => ({ path, text }))
)

describe("TypeScript in the docs", () => {
  it("is there", () => assert.isNotEmpty(blocks))
  it.each(blocks)("of $path is in an example", ({ text }) =>
    assert.isTrue(
      examples.some((example) => example.includes(text.replaceAll(/^ +/gm, ""))),
      text
    )
  )
})
