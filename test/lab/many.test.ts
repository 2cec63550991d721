/** Many at once: machines that are prepared together, and runs in parallel in some of them. */
import { assert, beforeAll, it } from "@effect/vitest"
import { isWhole } from "../suite/part.ts"
import { fullSuite, lab, left, type State, state, succeeds } from "./Lab.ts"

const machines = isWhole ? 60 : 20
const used = isWhole ? 20 : 10
const runs = isWhole ? 200 : 60

let here: State
const ids = Array.from({ length: machines }, (_, n) => `m${n}`)

beforeAll(() => {
  here = state(lab(fullSuite()), "btrfs")
})

/** What went wrong, each thing once. */
const failures = (outcomes: ReadonlyArray<{ readonly code: number; readonly stderr: string }>, wanted = 0) => [
  ...new Set(outcomes.filter(({ code }) => code !== wanted).map(({ code, stderr }) => `${code}: ${stderr}`))
]

it(`${machines} prepares at once are ${machines} machines; ${runs} runs at once in ${used} of them are each right`, async () => {
  const prepared = await Promise.all(ids.map((id) => here.redd("prepare", "--id", id, "--image", "trixie")))
  assert.deepStrictEqual(failures(prepared), [])
  const answers = await Promise.all(
    Array.from({ length: runs }, async (_, n) => {
      const { code, stdout } = await here.script(`m${n % used}`, `echo run ${n}; echo also >&2; exit ${n % 7}`)
      return `${code} ${stdout}`
    })
  )
  assert.deepStrictEqual(
    answers,
    Array.from({ length: runs }, (_, n) => `${n % 7} run ${n}\n`)
  )
  const cleaned = await Promise.all(ids.map((id) => here.redd("cleanup", "--id", id)))
  assert.deepStrictEqual(failures(cleaned), [])
  assert.deepStrictEqual(await left(here), [])
}, 300_000)

it("what has passed much output on ends, on a host that has no time for it", async () => {
  await succeeds(here.redd("prepare", "--id", "loud", "--image", "trixie", "--boot", "none"))
  const busy = Array.from({ length: 3 }, () => here.host.start(["/bin/sh", "-c", "while :; do :; done"]))
  try {
    const script = '"$1" exec --id loud -- head -c 100000000 /dev/zero | (sleep 0.2; wc -c)'
    const loud = async () => {
      for (let n = 0; n < 4; n++) {
        const options = { environment: { REDD_ROOT: here.root } }
        const { stdout } = await here.host.run(
          ["/bin/sh", "-c", script, "sh", `${here.host.repository}/bin/redd`],
          options
        )
        assert.strictEqual(stdout, "100000000\n")
      }
    }
    await Promise.all([loud(), loud(), loud()])
  } finally {
    for (const loop of busy) loop.signal("SIGKILL")
  }
  await succeeds(here.redd("cleanup", "--id", "loud"))
  assert.deepStrictEqual(await left(here), [])
})
