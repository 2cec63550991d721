/**
 * A test that starts what a browser is to its host: a launcher that is gone at once, a process tree that it left behind,
 * and a crash handler that has detached itself and ignores SIGTERM. When the test is over, none of it runs.
 * `node examples/browser.test.ts`
 */
import { strictEqual } from "node:assert"
import { spawnSync } from "node:child_process"
import { test } from "node:test"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Managers, Slice } from "redd"

const mark = `600.${process.pid}`
const browser = `
( trap '' TERM; setsid sleep ${mark} & )
( sh -c 'for renderer in 1 2 3; do sleep ${mark} & done; wait' & )
exit 0`

/** How many there are, as anybody sees it. */
const sleeping = (): number =>
  Number(spawnSync("pgrep", ["-c", "-f", `^[^ ]*sleep ${mark}$`], { encoding: "utf8" }).stdout)

const program = Effect.gen(function* () {
  const { manager } = yield* Managers.choose("auto", { runtimeFolder: process.env["XDG_RUNTIME_DIR"] })
  const name = yield* Slice.parseName(`browser of test ${process.pid}`)
  yield* Effect.scoped(
    Effect.gen(function* () {
      const slice = yield* Slice.make({ name, manager, stop: { grace: Duration.millis(200) } })
      const launcher = yield* slice.run(["sh", "-c", browser], { stdout: "ignore", stderr: "ignore" })
      strictEqual((yield* launcher.exit)._tag, "Exited")
      // The crash handler, the zygote, three renderers: the launcher is gone.
      yield* Effect.repeat(Effect.delay(slice.processes, "20 millis"), { until: ({ length }) => length === 5 })
      strictEqual(sleeping(), 4)
    })
  )
  strictEqual(Option.isNone(yield* Slice.find(name, manager)), true)
  strictEqual(sleeping(), 0)
})

void test("a browser leaves nothing behind", () => Effect.runPromise(program))
