/** Slices that wait for what does not come: all at the same time. */
import { assert, describe, it } from "@effect/vitest"
import { byNobody, bySystemd, failure, stageOf } from "../suite/slice.ts"
import { fullSuite, lab, succeeds, until } from "./Lab.ts"

describe.concurrent("a slice", () => {
  it.each([...bySystemd, ...byNobody])(
    "of what waits for a disk and cannot be killed: that is named, and stops when it can ($title)",
    async (subject) => {
      const stage = await stageOf(subject)
      const mark = stage.mark()
      const folder = `${stage.host.disk("disk")}/frozen-${stage.prefix}`
      const on = (script: string) => succeeds(stage.host.run(["/bin/sh", "-ec", script, folder]))
      // Who writes to a file system that is frozen waits in state D (fsfreeze(8)), as for a disk that does not answer.
      await on(`mkdir "$0"; truncate --size=64M "$0.img"; mkfs.ext4 -q "$0.img"; mount -o loop "$0.img" "$0"; chmod 777 "$0"
fsfreeze --freeze "$0"`)
      try {
        const command = ["dd", "if=/dev/zero", `of=${folder}/${mark}`, "count=1"]
        const running = stage.start({ do: "run", name: "stuck", commands: [command], graceMs: 0 })
        await running.says("waiting")
        const waiting = async () => (await stage.host.run(["pgrep", "--runstates", "D", "--full", mark])).stdout.trim()
        await until("it waits", async () => (await waiting()) !== "")
        const pid = await waiting()
        running.signal("SIGKILL")
        await running.outcome
        const error = failure(await stage.run({ do: "stop", name: "stuck", graceMs: 0 }))
        assert.strictEqual(error.tag, "SliceStuck")
        assert.include(error.message, `cannot be killed: ${pid} (dd, state D)`)
      } finally {
        await on('fsfreeze --unfreeze "$0"')
        await succeeds(stage.run({ do: "stop", name: "stuck", graceMs: 0 }))
        await on('umount "$0"; rm -r "$0" "$0.img"')
      }
      assert.deepStrictEqual([await stage.alive(mark), await stage.left()], [[], []])
    }
  )

  it("of an owner that does not answer: it is killed all the same, and the owner is named", async () => {
    const stage = await stageOf({ title: "", manager: "system", host: () => lab(fullSuite()) })
    const mark = stage.mark()
    const running = stage.start({ do: "run", name: "frozen", commands: [["sleep", mark]] })
    await running.says("waiting")
    running.signal("SIGSTOP")
    const error = failure(await stage.run({ do: "stop", name: "frozen", graceMs: 0 }))
    assert.strictEqual(error.tag, "OwnerUnresponsive")
    assert.deepStrictEqual(await stage.alive(mark), [])
    running.signal("SIGCONT")
    // nsenter(1) has stopped with it.
    running.child.kill("SIGCONT")
    await succeeds(running.outcome)
    assert.deepStrictEqual(await stage.left(), [])
  })
})
