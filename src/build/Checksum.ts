/** Checksums of files too large to read, by the tools that every host has for it. */
import * as Effect from "effect/Effect"
import * as Tool from "../host/Tool.ts"

/** The checksum of a file, in hexadecimal (sha256sum(1), sha512sum(1)). */
export const ofFile = (algorithm: "sha256" | "sha512", path: string): Effect.Effect<string, Tool.ToolError> =>
  Effect.map(
    Tool.run(`${algorithm}sum`, ["--", path]),
    // It begins with a backslash where the name had to be escaped.
    (said) => /^\\?([0-9a-f]+) /.exec(said)?.[1] ?? ""
  )
