/** A Debian, or what derives from it, by mmdebstrap(1). */
import * as Effect from "effect/Effect"
import * as Tool from "../../host/Tool.ts"
import type { Bootstrap } from "../Bootstrap.ts"

export interface Options {
  readonly suite: string
  /** Packages beyond the smallest system that boots. */
  readonly include: ReadonlyArray<string>
  /** Where from; mmdebstrap's own choice when absent. */
  readonly mirror?: string | undefined
}

export const mmdebstrap = ({ include, mirror, suite }: Options): Bootstrap => ({
  description: `mmdebstrap of ${suite}`,
  fill: (tree, progress) =>
    Effect.asVoid(
      Tool.run(
        "mmdebstrap",
        [
          "--variant=minbase",
          `--include=${[...bootable, ...include].join(",")}`,
          "--skip=check/empty",
          suite,
          tree,
          ...(mirror === undefined ? [] : [mirror])
        ],
        { progress }
      )
    )
})

/** What turns a minimal Debian into one that boots. */
const bootable = ["systemd", "systemd-sysv", "dbus"]
