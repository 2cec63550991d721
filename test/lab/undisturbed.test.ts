/** Jobs go on while their image is maintained, and each sees one generation of it, in whole. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { left, succeeds, withPackages } from "./Lab.ts"
import { isWhole, partOf } from "../suite/part.ts"
import { ansibleHosts } from "./setup.ts"
import { type Maintained, maintained } from "./Maintained.ts"

/** What is written first and last is the same in each generation. */
const playbook = (text: string) => `- hosts: all
  gather_facts: false
  vars: { redd: { bootstrap: { clone: python }, keep: 3, boot: none } }
  tasks:
    - ansible.builtin.copy: { dest: /srv/word, content: "${text}" }
    - ansible.builtin.copy: { dest: /usr/share/word, content: "${text}" }
`
const jobs = isWhole ? 100 : 20
const times = isWhole ? 5 : 3

const places = [
  ["btrfs", "btrfs"],
  ["overlay", "disk"]
] as const

describe.each(partOf(places, 2))("jobs on %s", (backend, disk) => {
  let on: Maintained
  beforeAll(async () => {
    on = await maintained(withPackages("trixie", ...ansibleHosts["ansible-core"]), disk)
    await on.write("word.yaml", playbook("time 0"))
    await succeeds(on.redd("apply"))
  })
  afterAll(async () => assert.deepStrictEqual(await left(on.here), []))

  const job = async (): Promise<string> => {
    const script = "cat /srv/word; echo; cat /usr/share/word"
    const flags = ["--image", "word", "--boot", "none", "--backend", backend]
    const { stdout } = await succeeds(on.redd("once", ...flags, "--", "sh", "-c", script))
    const [first = "", last] = stdout.split("\n")
    assert.strictEqual(last, first)
    assert.match(first, /^time \d$/)
    return first
  }

  it(`${jobs} of them and more, one after the other, while it is maintained ${times} times`, async () => {
    const seen: Array<string> = []
    const maintaining = async () => {
      for (let time = 1; time <= times; time++) {
        await on.write("word.yaml", playbook(`time ${time}`))
        await succeeds(on.redd("image", "maintain", "word"))
      }
    }
    const maintenance = { isDone: false }
    const working = async () => {
      while (!maintenance.isDone || seen.length < jobs) seen.push(await job())
    }
    await Promise.all([maintaining().finally(() => (maintenance.isDone = true)), working()])
    // Later jobs see later generations, and they saw several.
    assert.deepStrictEqual(seen, [...seen].sort())
    assert.isAtLeast(new Set(seen).size, 3)
    assert.strictEqual(await job(), `time ${times}`)
    assert.strictEqual((await on.generations("word")).length, 3)
  }, 600_000)

  it("the next one after a rollback has what was before, and one that runs keeps what it has", async () => {
    await succeeds(on.redd("prepare", "--id", "runs", "--image", "word", "--boot", "none", "--backend", backend))
    await succeeds(on.redd("image", "rollback", "word"))
    assert.strictEqual(await job(), `time ${times - 1}`)
    const kept = await succeeds(on.redd("exec", "--id", "runs", "--", "cat", "/srv/word"))
    assert.strictEqual(kept.stdout, `time ${times}`)
    await succeeds(on.redd("cleanup", "--id", "runs"))
  }, 120_000)
})
