/** Redd's version, from package.json. */
import metadata from "../../package.json" with { type: "json" }

export const version: string = metadata.version
