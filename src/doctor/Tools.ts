/** Programs of the host that Redd runs. */
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as Tool from "../host/Tool.ts"
import { type Finding, failed, ok, warning } from "./Finding.ts"

/** What is missing of what is needed, and its package. */
export interface ToolFacts {
  readonly missing: ReadonlyArray<Pick<Tool.ToolMissing, "tool" | "package">>
  readonly needed: ReadonlyArray<Wanted>
}

interface Wanted {
  readonly tool: string
  /** What does not work without, when machines do. */
  readonly without?: string
}

/** A finding for each tool that is missing, or one for all. */
export const tools = ({ missing, needed }: ToolFacts): ReadonlyArray<Finding> => {
  if (missing.length === 0) return [ok("tools", needed.map(({ tool }) => tool).join(", "))]
  return missing.map(({ package: from, tool }) => {
    const without = needed.find((wanted) => wanted.tool === tool)?.without
    const install = `apt-get install ${from}`
    return without === undefined
      ? failed(tool, "is not installed", install)
      : warning(tool, `is not installed: ${without}`, install)
  })
}

/** Looks for each; none is run. */
export const read = (options: {
  readonly systemd: boolean
  readonly btrfs: boolean
}): Effect.Effect<ToolFacts, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const needed: ReadonlyArray<Wanted> = [
      ...["systemd-nspawn", "mount", "umount", "mkfifo", "flock", "cp", "find"].map((tool) => ({ tool })),
      ...(options.systemd ? ["systemd-run", "systemctl", "journalctl"].map((tool) => ({ tool })) : []),
      options.btrfs ? { tool: "btrfs" } : { tool: "btrfs", without: "redd setup --pool does not work" },
      { tool: "chattr", without: "a machine that made files immutable cannot be removed" },
      { tool: "mmdebstrap", without: "redd image create does not work" }
    ]
    const missing: Array<Tool.ToolMissing> = []
    for (const { tool } of needed) {
      yield* Effect.catchTag(Tool.ensure(tool), "ToolMissing", (error) => Effect.sync(() => void missing.push(error)))
    }
    return { missing, needed }
  })
