/** A command in a slice: how it ended, and nothing left of what it started. `node examples/slice.ts CMD ARG…` */
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Managers, Slice } from "redd"

const [program = "true", ...args] = process.argv.slice(2)

const main = Effect.gen(function* () {
  const { manager, why } = yield* Managers.choose("auto", { runtimeFolder: process.env["XDG_RUNTIME_DIR"] })
  const slice = yield* Slice.make({ name: yield* Slice.parseName("lobby"), manager })
  const run = yield* slice.run([program, ...args])
  const exit = yield* run.exit // { _tag: "Exited", code: 0 } or { _tag: "Signaled", signal: 11 }
  yield* slice.stop({ grace: Duration.seconds(5) })
  yield* Console.log(`${JSON.stringify(exit)}, held by ${why}`)
})

await Effect.runPromise(Effect.scoped(main))
