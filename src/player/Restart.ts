/**
 * Whether, and when, a player that has ended is started again. Nothing here but decisions.
 *
 * The pause grows with each quick end in a row, so that a crash loop costs little; the limit ends one that leads nowhere.
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/** `on-failure`: unless it ended by itself with exit code 0. */
export const Policy = Schema.Literals(["never", "on-failure", "always"])
export type Policy = typeof Policy.Type

export interface Restart {
  readonly policy: Policy
  /** The pause after the first quick end. */
  readonly first: Duration.Duration
  /** By how much each further one is longer. */
  readonly factor: number
  readonly most: Duration.Duration
  /** What ran this long did not end quickly: the next pause is the first again. */
  readonly steady: Duration.Duration
  /** It gives up instead of starting it more often than this within the window. Absent: never. */
  readonly limit?: { readonly restarts: number; readonly window: Duration.Duration } | undefined
}

/** Pauses of 0.5 s to 30 s, and ten restarts in ten minutes. */
export const usual: Restart = {
  policy: "on-failure",
  first: Duration.millis(500),
  factor: 2,
  most: Duration.seconds(30),
  steady: Duration.seconds(10),
  limit: { restarts: 10, window: Duration.minutes(10) }
}

/** What came before: when it was restarted (Unix time), and how often in a row it ended quickly. */
export interface History {
  readonly restartsMs: ReadonlyArray<number>
  readonly quick: number
}

export const none: History = { restartsMs: [], quick: 0 }

/** How a run ended, and when. */
export interface Ended {
  /** By itself, with exit code 0. */
  readonly succeeded: boolean
  readonly ranMs: number
  readonly nowMs: number
}

export type Decision =
  | { readonly _tag: "Restart"; readonly afterMs: number; readonly history: History }
  | { readonly _tag: "End" }
  | { readonly _tag: "GiveUp"; readonly restarts: number; readonly windowMs: number }

export const decide = (restart: Restart, history: History, ended: Ended): Decision => {
  if (restart.policy === "never" || (restart.policy === "on-failure" && ended.succeeded)) return { _tag: "End" }
  const { limit } = restart
  const windowMs = limit === undefined ? 0 : Duration.toMillis(limit.window)
  const recent = limit === undefined ? [] : history.restartsMs.filter((atMs) => atMs > ended.nowMs - windowMs)
  if (limit !== undefined && recent.length >= limit.restarts) {
    return { _tag: "GiveUp", restarts: recent.length, windowMs }
  }
  const quick = ended.ranMs >= Duration.toMillis(restart.steady) ? 1 : history.quick + 1
  return {
    _tag: "Restart",
    afterMs: pauseMs(restart, quick),
    history: { restartsMs: limit === undefined ? [] : [...recent, ended.nowMs], quick }
  }
}

/** The pause after this many quick ends in a row, from 1 on. */
export const pauseMs = ({ factor, first, most }: Restart, quick: number): number =>
  // Infinity where the power has no number any more.
  Math.round(Math.min(Duration.toMillis(most), Duration.toMillis(first) * Math.max(1, factor) ** (quick - 1)))
