import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as fc from "fast-check"
import * as Restart from "../../../src/player/Restart.ts"

const patient: Restart.Restart = {
  policy: "always",
  first: Duration.millis(100),
  factor: 2,
  most: Duration.seconds(5),
  steady: Duration.seconds(10),
  limit: { restarts: 3, window: Duration.seconds(60) }
}
const quick = { succeeded: false, ranMs: 5, nowMs: 1_000_000 }

/** What was decided for a player that ends again and again, each time after it ran for so long. */
const life = (restart: Restart.Restart, ranMs: ReadonlyArray<number>): ReadonlyArray<Restart.Decision> => {
  const decisions: Array<Restart.Decision> = []
  let history = Restart.none
  let nowMs = 1_000_000
  for (const ran of ranMs) {
    nowMs += ran
    const decision = Restart.decide(restart, history, { succeeded: false, ranMs: ran, nowMs })
    decisions.push(decision)
    if (decision._tag !== "Restart") break
    history = decision.history
    nowMs += decision.afterMs
  }
  return decisions
}

const tag = (policy: Restart.Policy, succeeded: boolean) =>
  Restart.decide({ ...patient, policy }, Restart.none, { ...quick, succeeded })._tag

describe("restarts", () => {
  it("never happen, only after a failure, or always", () => {
    assert.deepStrictEqual([tag("never", false), tag("never", true)], ["End", "End"])
    assert.deepStrictEqual([tag("on-failure", false), tag("on-failure", true)], ["Restart", "End"])
    assert.deepStrictEqual([tag("always", false), tag("always", true)], ["Restart", "Restart"])
  })

  it("wait longer after each quick end, up to the most", () => {
    const pauses = [1, 2, 3, 4, 5, 6, 7, 8, 2000].map((quick) => Restart.pauseMs(patient, quick))
    assert.deepStrictEqual(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000])
  })

  it("wait as little as at first after a run that was steady", () => {
    const afterMs = life({ ...patient, limit: undefined }, [5, 5, 5, 10_000, 5]).map((decision) =>
      decision._tag === "Restart" ? decision.afterMs : -1
    )
    assert.deepStrictEqual(afterMs, [100, 200, 400, 100, 200])
  })

  it("end when there were as many within the window as are allowed", () => {
    assert.deepStrictEqual(
      life(patient, [5, 5, 5, 5, 5]).map(({ _tag }) => _tag),
      ["Restart", "Restart", "Restart", "GiveUp"]
    )
  })

  it("go on where those before are out of the window", () => {
    assert.isTrue(
      life(
        patient,
        Array.from({ length: 50 }, () => 25_000)
      ).every(({ _tag }) => _tag === "Restart")
    )
  })

  it("are never more than the limit in any window, however it ends, and no pause is longer than the most", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 40_000 }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 120_000 }),
        fc.double({ min: 0, max: 10, noNaN: true }),
        (ranMs, restarts, windowMs, factor) => {
          const limit = { restarts, window: Duration.millis(windowMs) }
          let nowMs = 1_000_000
          const restartedMs: Array<number> = []
          for (const [index, decision] of life({ ...patient, factor, limit }, ranMs).entries()) {
            nowMs += ranMs[index] ?? 0
            if (decision._tag !== "Restart") break
            restartedMs.push(nowMs)
            assert.isAtMost(decision.afterMs, 5000)
            assert.isAtLeast(decision.afterMs, 100)
            nowMs += decision.afterMs
          }
          for (const end of restartedMs)
            assert.isAtMost(restartedMs.filter((atMs) => atMs > end - windowMs && atMs <= end).length, restarts)
        }
      )
    )
  })

  it("remember no more than they need", () => {
    const history = life(
      { ...patient, limit: undefined },
      Array.from({ length: 100 }, () => 1)
    ).at(-1)
    assert.deepStrictEqual(history?._tag === "Restart" ? history.history.restartsMs : undefined, [])
  })
})
