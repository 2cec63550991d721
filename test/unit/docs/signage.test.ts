/** docs/guides/signage.md and examples/signage: files that are valid, and a page that has every key, type and extension. */
import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Media from "../../../src/player/Media.ts"
import { File, parse } from "../../../src/player/Signage.ts"

const top = new URL("../../../", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, top), "utf8")
const page = read("docs/guides/signage.md")
const blocks = [...page.matchAll(/^```yaml signage\n([^]*?)^```$/gm)].map(([, text = ""], at) => ({
  name: `the guide, block ${at + 1}`,
  text
}))
const examples = readdirSync(new URL("examples/signage/", top))
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => ({ name: `examples/signage/${file}`, text: read(`examples/signage/${file}`) }))

describe("a signage file in the docs", () => {
  it("is there", () => {
    assert.isAtLeast(blocks.length, 3)
    assert.isNotEmpty(examples)
  })
  it.each([...blocks, ...examples])("is valid: $name", ({ name, text }) => {
    const found = parse(name, text)
    assert.deepStrictEqual(Result.isFailure(found) ? found.failure : [], [])
  })
})

describe("the page on signage", () => {
  it.each(Object.keys(File.fields))("has the key %s", (key) => assert.include(page, `\n| \`${key}\` | `))
  it.each(Object.entries(Media.types))("has the type %s, and its extensions", (type, extensions) => {
    const row = `| \`${type}\` | ${extensions.map((extension) => `\`${extension}\``).join(" ")} |`
    assert.include(page, `\n${row}\n`)
  })
  it.each(["{newest}", "{files}", "{dir}"])("says what %s becomes", (word) =>
    assert.include(page, `\n| \`${word}\` | `)
  )
})
