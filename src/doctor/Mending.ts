/** Doing what findings ask for, as far as it is safe. What is mended already is left as it is. */
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as Files from "../host/Files.ts"
import * as Mounts from "../host/Mounts.ts"
import * as Sysctl from "../host/Sysctl.ts"
import type * as Tool from "../host/Tool.ts"
import type { Finding, Mend } from "./Finding.ts"

/** What was done, or why it could not be. */
export interface Mended {
  readonly check: string
  readonly done: boolean
  readonly message: string
}

/**
 * Raises parameters and mounts cgroup v2. Nothing is lowered, removed or installed. Stale machines are not its
 * business: who called `examine` releases them with `Machine.collect`.
 */
export const mend = (findings: ReadonlyArray<Finding>): Effect.Effect<ReadonlyArray<Mended>> =>
  Effect.map(
    Effect.forEach(findings, ({ check, mend }) => {
      const action = mend === undefined ? undefined : actionOf(mend)
      if (action === undefined) return Effect.succeed([])
      return Effect.match(action.effect, {
        onSuccess: () => [{ check, done: true, message: action.did }],
        onFailure: (error) => [{ check, done: false, message: `${action.would}: ${error.message}` }]
      })
    }),
    (mended) => mended.flat()
  )

interface Action {
  readonly effect: Effect.Effect<unknown, Tool.ToolError | PlatformError.PlatformError>
  readonly did: string
  readonly would: string
}

const actionOf = (mend: Mend): Action | undefined => {
  switch (mend._tag) {
    case "Raise":
      return {
        effect: Sysctl.raise(mend.parameter, mend.value),
        did: `raised ${mend.parameter} to ${mend.value}, now and in ${Sysctl.keptIn}`,
        would: `cannot raise ${mend.parameter} to ${mend.value}`
      }
    case "MountCgroups":
      return {
        effect: Effect.andThen(Files.makeFolder(mend.path), Mounts.mount(mend.path, ["-t", "cgroup2", "none"])),
        did: `mounted cgroup v2 at ${mend.path}, until the next boot`,
        would: `cannot mount cgroup v2 at ${mend.path}`
      }
    case "Collect":
      return undefined
  }
}
