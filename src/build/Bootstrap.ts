/** How a root tree comes to be in an empty folder: the interface that every way has. */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Tree from "../host/Tree.ts"

/** A tree did not come to be, for a reason that is no tool's alone. Nothing was written outside of it. */
export class BootstrapFailed extends Schema.TaggedError<BootstrapFailed>()("BootstrapFailed", {
  /** The bootstrap, in words. */
  bootstrap: Schema.String,
  reason: Schema.String,
  remedy: Schema.String
}) {
  override get message(): string {
    return `${this.bootstrap} failed: ${this.reason}.`
  }
  get hint(): string {
    return this.remedy
  }
}

export interface Options {
  /** Gets what the tools say as they go. */
  readonly progress: (text: string) => void
  /** For the tools: the host's proxy settings (`http_proxy` and its like). */
  readonly environment: Readonly<Record<string, string>>
}

export interface Bootstrap {
  /** In words, for progress and errors: `mmdebstrap of trixie`. */
  readonly description: string
  /** Fills `tree`, an empty folder or subvolume. Interrupted, it ends what it started. */
  fill(tree: string, options: Options): Effect.Effect<void, BootstrapFailed | Tree.TreeError>
}
