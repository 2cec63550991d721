/** Whether a command that runs still does what it is for: there is more to it than that the process exists. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Child from "../host/Child.ts"
import type { Words } from "../slice/Command.ts"
import type { Options, RunError } from "../slice/Run.ts"
import type { Slice, SliceStopped } from "../slice/Slice.ts"

export type Live =
  /** This command, run again and again, ends with 0. */
  | {
      readonly _tag: "Command"
      readonly words: Words
      /** From one's end to the next one's begin. */
      readonly every: Duration.Duration
      /** What does not end in this time has failed. */
      readonly within: Duration.Duration
      /** So many failures in a row are one. */
      readonly failures: number
    }
  /** It says WATCHDOG=1 at least this often (sd_watchdog_enabled(3), where it learns how often). */
  | { readonly _tag: "Watchdog"; readonly within: Duration.Duration }

/** When the command last said WATCHDOG=1 (Unix time), and whether it asked to be taken for dead (WATCHDOG=trigger). */
export interface Beats {
  lastMs: number
  triggered: boolean
}

/** Returns why the command is not alive any more, if ever. */
export const awaitDeath = (
  live: Live,
  slice: Slice,
  options: Options,
  beats: Beats
): Effect.Effect<string, RunError | SliceStopped> =>
  live._tag === "Command" ? awaitFailures(live, slice, options) : awaitSilence(live.within, beats)

const awaitFailures = (
  live: Extract<Live, { readonly _tag: "Command" }>,
  slice: Slice,
  options: Options
): Effect.Effect<string, RunError | SliceStopped> =>
  Effect.gen(function* () {
    const once = Effect.scoped(
      Effect.gen(function* () {
        const run = yield* Effect.acquireRelease(
          slice.run(live.words, { ...options, stdin: "ignore", stdout: "ignore", stderr: "ignore" }),
          (run) => Effect.orDie(run.stop({ grace: Duration.zero }))
        )
        const exit = yield* Effect.timeoutOption(run.exit, live.within)
        if (Option.isNone(exit)) return `${live.words[0]} did not end within ${Duration.format(live.within)}`
        return Child.exitCode(exit.value) === 0 ? undefined : `${live.words[0]} ${Child.inWords(exit.value)}`
      })
    )
    for (let failures = 0; ;) {
      yield* Effect.sleep(live.every)
      const reason = yield* once
      failures = reason === undefined ? 0 : failures + 1
      if (reason !== undefined && failures >= live.failures) return reason
    }
  })

const awaitSilence = (within: Duration.Duration, beats: Beats): Effect.Effect<string> =>
  Effect.gen(function* () {
    beats.lastMs = yield* Clock.currentTimeMillis
    const limitMs = Duration.toMillis(within)
    for (;;) {
      if (beats.triggered) return "it asked for it (WATCHDOG=trigger)"
      const leftMs = beats.lastMs + limitMs - (yield* Clock.currentTimeMillis)
      if (leftMs <= 0) return `it did not say WATCHDOG=1 for ${Duration.format(within)}`
      yield* Effect.sleep(Math.min(leftMs, 100))
    }
  })
