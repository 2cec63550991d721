/** docs/guides/images.md and examples/images: definitions that are valid, and a page that has every key. */
import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parse } from "../../../src/build/Definition.ts"
import { jsonSchema } from "../../../src/build/DefinitionSchema.ts"
import { ImageName } from "../../../src/record/MachineRecord.ts"

const top = new URL("../../../", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, top), "utf8")
const blocksOf = (page: string) =>
  [...read(page).matchAll(/^```yaml image\n([^]*?)^```$/gm)].map(([, text = ""], at) => ({
    name: `${page}, block ${at + 1}`,
    text
  }))
const blocks = ["docs/guides/images.md", "docs/guides/recipes.md"].flatMap(blocksOf)
const examples = readdirSync(new URL("examples/images/", top)).map((file) => ({
  name: `examples/images/${file}`,
  text: read(`examples/images/${file}`)
}))

/** Every object of the schema that knows its keys, and the keys. */
const objects = new Map<string, ReadonlyArray<string>>()
JSON.parse(JSON.stringify(jsonSchema()), (name, value) => {
  if (value?.additionalProperties === false) objects.set(name, Object.keys(value.properties))
  return value
})
const ways = objects.get("bootstrap") ?? []

describe("a definition in the docs", () => {
  it.each([...blocks, ...examples])("is valid: $name", ({ name, text }) => {
    const found = parse(ImageName.make("example"), name, text)
    assert.deepStrictEqual(Result.isFailure(found) ? found.failure : [], [])
  })

  it.each(ways)("shows the bootstrap %s", (way) => {
    const shown = blocksOf("docs/guides/images.md").flatMap(({ text }) => {
      const found = Result.getOrThrow(parse(ImageName.make("example"), "block", text))
      return Object.keys(found.bootstrap ?? {})
    })
    assert.include(shown, way)
  })
})

describe("the page on images", () => {
  const page = read("docs/guides/images.md")
  it.each([...objects.values()].flat())("has the key %s", (key) => {
    const row = page.includes(`\n| \`${key}\``)
    assert.isTrue(
      row || (ways.includes(key) && page.includes(`\n### ${key}\n`)),
      `no row of a table, no section: ${key}`
    )
  })
})
