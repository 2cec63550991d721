/** When a command that runs is ready: the sign that it gives, and waiting for it. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Tcp from "../host/Tcp.ts"

export type Ready =
  /** As soon as it is executed. */
  | { readonly _tag: "Immediately" }
  /** When it has run this long. */
  | { readonly _tag: "After"; readonly delay: Duration.Duration }
  /** When a line of its standard output matches. */
  | { readonly _tag: "Line"; readonly pattern: RegExp }
  /** When somebody accepts connections there. */
  | { readonly _tag: "Port"; readonly port: number; readonly host?: string | undefined }
  /** When it says READY=1 (sd_notify(3)). */
  | { readonly _tag: "Notify" }

/** What is seen of the command as it comes. */
export interface Signs {
  /** Done when a line has matched. */
  readonly line: Effect.Effect<void>
  /** Done when it has said READY=1. */
  readonly notified: Effect.Effect<void>
}

/** Waits for the sign, for ever if it does not come. */
export const awaitReady = (ready: Ready, signs: Signs): Effect.Effect<void> => {
  switch (ready._tag) {
    case "Immediately":
      return Effect.void
    case "After":
      return Effect.sleep(ready.delay)
    case "Line":
      return signs.line
    case "Port":
      return Effect.asVoid(
        Effect.repeat(Effect.delay(Tcp.accepts(ready.host ?? "localhost", ready.port), "50 millis"), {
          while: (accepted) => !accepted
        })
      )
    case "Notify":
      return signs.notified
  }
}
