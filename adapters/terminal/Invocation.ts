/** What the process that we are in gives a command, and takes from it: environment, signals, raw operands, an exit code. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

export class Invocation extends Context.Service<
  Invocation,
  {
    /** The command that was called, as an absolute path: for units and configurations that call it. */
    readonly program: string
    /** The environment that we were started with. */
    readonly environment: Readonly<Record<string, string | undefined>>
    /** What follows `--`, byte for byte: Node has decoded its arguments, and what is not UTF-8 is lost there. */
    readonly operands: ReadonlyArray<Uint8Array>
    /**
     * From here on the first SIGINT, SIGTERM or SIGHUP is ours to act on, and does not interrupt the command.
     * Done, with its number, when one came.
     */
    readonly claimSignal: Effect.Effect<number>
    /** Done when a second signal came. */
    readonly secondSignal: Effect.Effect<void>
    /** The exit code of the process, when nothing fails on the way to its end. */
    exitWith(code: number): Effect.Effect<void>
  }
>()("redd/terminal/Invocation") {}
