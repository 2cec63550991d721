/** How a root tree comes to be in an empty folder: the interface that every way has. */
import type * as Effect from "effect/Effect"
import type * as Tool from "../host/Tool.ts"

export interface Bootstrap {
  /** In words, for progress and errors: `mmdebstrap of trixie`. */
  readonly description: string
  /** Fills `tree`, an empty folder. `progress` gets what the tool says as it goes. */
  fill(tree: string, progress: (text: string) => void): Effect.Effect<void, Tool.ToolError>
}
