/** A Debian, or what derives from it, by mmdebstrap(1). */
import * as Effect from "effect/Effect"
import * as Tool from "../../host/Tool.ts"
import type { Bootstrap } from "../Bootstrap.ts"
import { type Debian, debianArguments } from "../Debian.ts"

export const mmdebstrap = (options: Debian): Bootstrap => ({
  description: `mmdebstrap of ${options.suite}`,
  fill: (tree, { environment, progress }) =>
    Effect.andThen(
      Tool.ensure("mmdebstrap"),
      // What it starts outlives it otherwise.
      Tool.run("mmdebstrap", debianArguments(options, tree, ["--skip=check/empty"]), {
        environment,
        progress,
        enclosed: true
      })
    ).pipe(Effect.asVoid)
})
