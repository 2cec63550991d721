import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Attempt from "../../../src/backend/Attempt.ts"

describe("finding out by doing", () => {
  it.live("many at once make one trial, all learn what it said, and nothing is left but the verdict", () =>
    Effect.gen(function* () {
      const root = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(`${tmpdir()}/redd-attempt-`)),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      mkdirSync(`${root}/cache`)
      let trials = 0
      const trial = () =>
        Effect.sync(() => {
          trials++
          return Option.some("it does not work")
        })
      const said = yield* Effect.all(
        Array.from({ length: 8 }, () => Attempt.once(root, "trial", trial)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(trials, 1)
      assert.deepStrictEqual(said, Array(8).fill(Option.some("it does not work")))
      assert.deepStrictEqual(readdirSync(`${root}/cache`), ["trial"])
    }).pipe(Effect.scoped)
  )
})
