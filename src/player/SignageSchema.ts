/**
 * The JSON schema of signage files, for editors.
 *
 * What it refuses is a mistake. What it lets pass, `Signage.parse` may still refuse: durations, sizes, what a shell would do.
 */
import type * as JsonSchema from "effect/JsonSchema"
import * as EditorSchema from "../host/EditorSchema.ts"
import { File } from "./Signage.ts"

export const jsonSchema = (): JsonSchema.JsonSchema => ({
  ...EditorSchema.dialect,
  title: "A signage box: what plays the media in a folder",
  ...EditorSchema.of(File, keys)
})

const typeNames = { propertyNames: { pattern: "^[a-z][a-z0-9-]*$" } }

/** What a person reads beside a key, and what the Effect schema checks in ways that do not translate. */
const keys: Readonly<Record<string, JsonSchema.JsonSchema>> = {
  path: { description: "The folder of the media, an absolute path; the folders below it are theirs, too" },
  players: {
    description:
      "The command for each type: pdf, video, images, odp, or one of types. {newest} is the newest file, {files} all, {dir} the folder",
    minProperties: 1,
    ...typeNames
  },
  types: {
    description: "More types, or other extensions for a type, in small letters without the dot; * for all the rest",
    ...typeNames
  },
  fallback: { description: "The command for when there is nothing to play (default none: nothing plays)", minItems: 1 },
  settle: { description: "How long the media must have stayed as they are before they play, as 2s (default 1s)" },
  poll: { description: "How often the folder is looked at where nothing tells of a change, as 1m (default 5s)" },
  control: {
    description:
      "A file that is made in the folder; who removes it has the media played anew (default remove-when-done; false: none)"
  },
  restart: { description: "When a player that ended is started again (default always)" },
  grace: { description: "From SIGTERM until a player is killed (default 5s)" },
  inhibit: { description: "What shall not happen while a player runs, as systemd-inhibit(1) names it" },
  environment: {
    description: "Variables for the players",
    propertyNames: { pattern: "^[A-Za-z_][A-Za-z0-9_]*$" }
  },
  limits: { description: "What a player may use, with all that it starts" },
  memory: { description: "As 512M, 4G (base 1024)" },
  cpus: { description: "Processors, as 2 or 0.5" },
  tasks: { description: "Processes and threads" }
}
