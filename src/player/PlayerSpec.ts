/** What a player is, as it can be written down: for the process that looks after it, and for who starts it again. */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { Limits } from "../host/Limits.ts"
import * as Process from "../host/Process.ts"
import * as Inhibitor from "./Inhibitor.ts"
import type { Ready as ReadySign } from "./Readiness.ts"
import * as Restart from "./Restart.ts"
import type { Player } from "./Supervisor.ts"

/** When a player that was started counts as ready. */
export const Ready = Schema.Union([
  Schema.TaggedStruct("Immediately", {}),
  Schema.TaggedStruct("After", { ms: Schema.Number }),
  /** When a line of its standard output has this in it. */
  Schema.TaggedStruct("Line", { text: Schema.String }),
  Schema.TaggedStruct("Port", {
    port: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 65_535 })))
  }),
  Schema.TaggedStruct("Notify", {})
])
export type Ready = typeof Ready.Type

export const PlayerSpec = Schema.Struct({
  /** The program and its arguments; no shell reads them. */
  command: Schema.NonEmptyArray(Schema.String),
  folder: Schema.optionalKey(Schema.String),
  /** All of its environment; a PATH of the system's folders where absent. */
  environment: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  user: Schema.optionalKey(Schema.String),
  limits: Limits,
  /** It goes on when its command has ended, for as long as anything that that has started. */
  forking: Schema.Boolean,
  restart: Restart.Policy,
  /** More starts anew than this within the window, and it is given up. */
  restarts: Schema.Number,
  windowMs: Schema.Number,
  ready: Ready,
  /** How long it may take to be ready; then it has failed. */
  readyWithinMs: Schema.Number,
  /** It has to say WATCHDOG=1 (sd_notify(3)) at least as often, once it is ready. */
  watchdogMs: Schema.optionalKey(Schema.Number),
  /** A command that succeeds while the player is well, run again and again; it may take as long as the pause between two. */
  check: Schema.optionalKey(Schema.Struct({ command: Schema.NonEmptyArray(Schema.String), everyMs: Schema.Number })),
  /** What all of its processes get first when it is stopped. */
  signal: Schema.String.pipe(Schema.refine(Process.isSignal, { expected: "a signal, as SIGTERM" })),
  /** From the signal until all are killed. */
  graceMs: Schema.Number,
  /** What shall not happen while it plays. */
  inhibit: Schema.Array(Inhibitor.What)
})
export type PlayerSpec = typeof PlayerSpec.Type

/** What holds where nobody says otherwise. */
export const defaults = {
  limits: {},
  forking: false,
  restart: "on-failure",
  restarts: 10,
  windowMs: 300_000,
  ready: { _tag: "Immediately" },
  readyWithinMs: 60_000,
  signal: "SIGTERM",
  graceMs: 10_000,
  inhibit: []
} satisfies Omit<PlayerSpec, "command">

/** As the supervisor takes it. */
export const playerOf = (spec: PlayerSpec, output?: Player["output"]): Player => ({
  command: spec.command,
  folder: spec.folder,
  environment: spec.environment,
  user: spec.user,
  limits: spec.limits,
  forking: spec.forking,
  restart: {
    ...Restart.usual,
    policy: spec.restart,
    limit: { restarts: spec.restarts, window: Duration.millis(spec.windowMs) }
  },
  ready: signOf(spec.ready),
  readyWithin: Duration.millis(spec.readyWithinMs),
  live:
    spec.watchdogMs !== undefined
      ? { _tag: "Watchdog", within: Duration.millis(spec.watchdogMs) }
      : spec.check === undefined
        ? undefined
        : {
            _tag: "Command",
            words: spec.check.command,
            every: Duration.millis(spec.check.everyMs),
            within: Duration.millis(spec.check.everyMs),
            failures: 1
          },
  stop: { signal: spec.signal, grace: Duration.millis(spec.graceMs) },
  inhibit: spec.inhibit,
  output
})

const signOf = (ready: Ready): ReadySign => {
  switch (ready._tag) {
    case "Immediately":
    case "Notify":
      return ready
    case "After":
      return { _tag: "After", delay: Duration.millis(ready.ms) }
    case "Line":
      return { _tag: "Line", pattern: new RegExp(ready.text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")) }
    case "Port":
      return { _tag: "Port", port: ready.port, host: "127.0.0.1" }
  }
}
