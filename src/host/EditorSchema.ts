/** A schema of ours as the JSON schema that editors complete and check YAML with. */
import * as JsonSchema from "effect/JsonSchema"
import * as Schema from "effect/Schema"

/** The dialect: draft 07 is what every editor's YAML support knows. */
export const dialect = { $schema: "http://json-schema.org/draft-07/schema#" }

/**
 * The JSON schema of a file's keys, or of a part of them. `keys` has what a person reads beside a key, and what our schema
 * checks in ways that do not translate; no key of such a file may be a keyword of JSON Schema.
 */
export const of = (
  schema: Schema.Top,
  keys: Readonly<Record<string, JsonSchema.JsonSchema>>
): Readonly<Record<string, unknown>> => {
  const document = Schema.toJsonSchemaDocument(schema, { onExcessProperty: "error" })
  const { schema: plain } = JsonSchema.toDocumentDraft07(document)
  return JSON.parse(JSON.stringify(plain), (key, value: unknown) =>
    Object.hasOwn(keys, key) && typeof value === "object" ? { ...value, ...keys[key] } : value
  )
}
