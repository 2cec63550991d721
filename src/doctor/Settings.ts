/** Files that set up systemd-nspawn on this host, and that an administrator may expect to matter (systemd.nspawn(5)). */
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as Files from "../host/Files.ts"
import { type Finding, ok } from "./Finding.ts"

/** Says that they are not used: what a machine is stands in its record, and nowhere else (--settings=no). */
export const settings = (files: ReadonlyArray<string>): ReadonlyArray<Finding> =>
  files.length === 0 ? [] : [ok("nspawn files", `not used by Redd's machines: ${files.join(", ")}`)]

export const read: Effect.Effect<ReadonlyArray<string>, PlatformError.PlatformError> = Effect.map(
  Effect.forEach(["/etc/systemd/nspawn", "/run/systemd/nspawn"], (folder) =>
    Effect.map(Files.list(folder), (names) =>
      names.filter((name) => name.endsWith(".nspawn")).map((name) => `${folder}/${name}`)
    )
  ),
  (found) => found.flat()
)
