/**
 * Keeps the host awake while something plays: systemd-inhibit(1), for as long as it runs.
 *
 * It runs in the slice and beside the player: around it, it would hide which signal ended the player.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Text from "../host/Text.ts"
import type { Slice } from "../slice/Slice.ts"

/** What systemd-inhibit(1) can keep from happening, and a screen or a player could want. */
export const What = Schema.Literals([
  "idle",
  "sleep",
  "shutdown",
  "handle-power-key",
  "handle-suspend-key",
  "handle-hibernate-key",
  "handle-lid-switch"
])
export type What = typeof What.Type

/** Inhibits until the scope closes. None where it does; else why this host does not let us, which is no failure. */
export const hold = (
  slice: Slice,
  what: ReadonlyArray<What>
): Effect.Effect<Option.Option<string>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const words = [
      "systemd-inhibit",
      `--what=${what.join(":")}`,
      "--who=redd",
      `--why=${Text.brief(slice.name)}`,
      "--mode=block",
      "--",
      "sleep",
      "infinity"
    ] as const
    const run = yield* Effect.acquireRelease(slice.run(words, { stdout: "ignore", stderr: "stream" }), (run) =>
      Effect.orDie(run.stop({ grace: Duration.zero }))
    )
    const said = Stream.mkString(Stream.decodeText(run.stderr))
    // It starts the command when it has the lock.
    const held = run.processes.pipe(
      Effect.delay("10 millis"),
      Effect.repeat({ while: (processes) => !processes.some(({ command }) => command === "sleep") })
    )
    const refused = Effect.map(said, (text) => Option.some(Text.printable(text)))
    const late = Effect.as(Effect.sleep("5 seconds"), Option.some("systemd-inhibit does not get an answer"))
    return yield* Effect.raceAllFirst([Effect.as(held, Option.none<string>()), refused, late])
  }).pipe(Effect.catch((error) => Effect.succeed(Option.some(error.message))))
