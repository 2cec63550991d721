/** Slices that no systemd holds. */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { byNobody, comets, sliceSuite, type Stage, stageOf } from "../suite/slice.ts"
import { succeeds, thisMachine, until } from "./Lab.ts"

for (const subject of byNobody) sliceSuite(subject)

describe("a cgroup of ours on an old kernel", () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await stageOf({ title: "", manager: "standalone", hold: "cgroup", host: thisMachine })
  })

  it("without cgroup.kill: what forks all the time is killed frozen", async () => {
    const mark = stage.mark()
    const running = stage.start({ do: "run", name: "old", commands: [comets(mark)], graceMs: 0 })
    await running.says("waiting")
    await until("they swarm", async () => (await stage.alive(mark)).length > 4)
    const cgroup = (await stage.left()).find((line) => line.startsWith("cgroup: "))?.slice("cgroup: ".length) ?? ""
    await succeeds(stage.run({ do: "kill frozen", folder: cgroup }))
    await until("none is left", async () => (await stage.alive(mark)).length === 0)
    running.signal("SIGTERM")
    await running.outcome
    assert.deepStrictEqual(await stage.left(), [])
  })
})
