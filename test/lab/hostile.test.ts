/** What root in a machine can do to its door and to the FIFOs, and what hostile text can do: no escape, no stack trace, nothing left. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { isWhole } from "../suite/part.ts"
import { fullSuite, lab, left, type Outcome, peakOf, type State, state, succeeds, tinyImage, until } from "./Lab.ts"

const numRuns = isWhole ? 25 : 10

let here: State
beforeAll(async () => {
  here = state(lab(fullSuite()), "btrfs")
  await tinyImage(here)
})
afterAll(async () => assert.deepStrictEqual(await left(here), []))

const prepare = (id: string, ...flags: ReadonlyArray<string>) => succeeds(here.redd("prepare", `--id=${id}`, ...flags))
const cleanup = (id: string) => succeeds(here.redd("cleanup", `--id=${id}`))
const cleanly = ({ code, stderr }: Outcome): void => {
  assert.isAtLeast(code, 0)
  assert.isAtMost(code, 255)
  assert.notMatch(stderr, /^\s+at .+:\d+/m)
  assert.notInclude(stderr, "\u001b[31m")
}

/** Bytes as printf(1) writes them. */
const octal = (bytes: Uint8Array) => [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("")

/** A door of root's own: it runs each run's script with the run's folder as its argument, and says nothing by itself. */
const usurp = `cat >/root/evil <<'END'
exec 3<>/run/redd/door.fifo
while read -r n <&3; do (sh "/run/redd/$n/script" "/run/redd/$n") <&- >&- 2>&- 3<&- & done
END
setsid -f sh /root/evil </dev/null >/dev/null 2>&1`

/** What that door answers to a run. */
const answer = (script: string, ...flags: ReadonlyArray<string>) => here.script("evil", script, ...flags)

describe("a door that root in the machine replaced", () => {
  beforeAll(async () => {
    await prepare("evil", "--image", "trixie")
    await succeeds(here.script("evil", `${usurp}; systemctl stop redd-door`))
  })
  afterAll(() => cleanup("evil"))

  it("is believed when it says a number: it is the machine's word, and no more", async () => {
    assert.strictEqual((await answer('echo 7 >"$1/status"')).code, 7)
  })
  it("and a status of 1 GB is not kept", async () => {
    const outcome = answer('head -c 1000000000 /dev/zero >"$1/status"')
    const peakKb = await peakOf("run --id evil -", outcome)
    assert.strictEqual((await outcome).code, 137)
    assert.isBelow(peakKb, 300_000)
  })
  it.each([
    ["nothing", ':>"$1/status"'],
    ["no number", 'printf "abc\\n-5\\n1e3\\n0x10\\n" >"$1/status"'],
    ["a number that is none", 'printf "256\\n999\\n12345678901234567890\\n" >"$1/status"'],
    ["half a line", 'printf 7 >"$1/status"']
  ])("and says %s: a killed run", async (_, script) => {
    const { code, stderr } = await answer(script)
    assert.strictEqual(code, 137, stderr)
    assert.include(stderr, "killed by signal 9")
  })
  it("and holds the status open: the time-out ends the run", async () => {
    const { code, stderr } = await answer('exec 9>"$1/status"; sleep 1000', "--timeout", "2s", "--grace", "1s")
    assert.strictEqual(code, 124, stderr)
  })
  it("and floods standard output after the end: the run ends all the same", async () => {
    const { code } = await answer('yes >"$1/stdout" & echo 3 >"$1/status"')
    assert.strictEqual(code, 3)
  })
  it("and a thief reads what is written: what is lost is the machine's own", async () => {
    const { code } = await answer(
      'cat "$1/stdout" >/dev/null & sleep 0.1; echo stolen >"$1/stdout"; echo 0 >"$1/status"'
    )
    assert.strictEqual(code, 0)
  })
  it("and whatever bytes come out of its FIFOs: an exit code, no stack trace", async () => {
    const bytes = fc.uint8Array({ maxLength: 64 })
    await fc.assert(
      fc.asyncProperty(bytes, bytes, async (status, stderr) => {
        cleanly(await answer(`printf '${octal(stderr)}' >"$1/stderr"; printf '${octal(status)}' >"$1/status"`))
      }),
      { numRuns }
    )
  })
})

/** Sends a signal to the door, and to no process that it has started. */
const signalDoor = (signal: string) => `systemctl kill --kill-whom=main --signal=${signal} redd-door`

describe("a door", () => {
  it("that is killed again and again loses no run, and starts none twice", async () => {
    await prepare("killed", "--image", "trixie")
    const killer = here.script("killed", `for i in $(seq 12); do ${signalDoor("KILL")}; sleep 0.3; done`)
    const runs = await Promise.all(
      Array.from({ length: 24 }, (_, run) => here.script("killed", `echo ${run} >>/srv/seen; echo ${run}; exit ${run}`))
    )
    for (const [run, { code, stderr, stdout }] of runs.entries()) {
      assert.strictEqual(code, run, stderr)
      assert.strictEqual(stdout, `${run}\n`)
    }
    await succeeds(killer)
    assert.strictEqual((await here.script("killed", "sort -u /srv/seen | wc -l; wc -l </srv/seen")).stdout, "24\n24\n")
    await cleanup("killed")
  })
  it("that is stopped makes a run wait, and take its turn when it goes on", async () => {
    await prepare("stopped", "--image", "trixie")
    await succeeds(here.script("stopped", signalDoor("STOP")))
    assert.strictEqual((await here.script("stopped", "echo no", "--timeout", "2s")).code, 124)
    const run = here.start("exec", "--id", "stopped", "--", "echo", "later")
    await until("the run waits", async () => !(await here.host.run(["pgrep", "-f", "exec --id stopped"])).code)
    const unit = /redd-stopped-[0-9a-f]{16}\.service/.exec(
      (await succeeds(here.host.run(["ls", "/sys/fs/cgroup/machine.slice"]))).stdout
    )?.[0]
    await succeeds(
      here.host.run([
        "/bin/sh",
        "-c",
        'for pid in $(cat "/sys/fs/cgroup/machine.slice/$1"/payload/system.slice/redd-door.service/*/cgroup.procs); do kill -CONT $pid; done',
        "sh",
        unit ?? ""
      ])
    )
    assert.strictEqual((await succeeds(run.outcome)).stdout, "later\n")
    await cleanup("stopped")
  })
  it("whose FIFO is flooded with what is no number still takes numbers", async () => {
    await prepare("flooded", "--image", "tiny", "--boot", "none")
    await succeeds(
      here.script("flooded", "setsid sh -c 'while :; do echo x/../../etc; echo -1; echo; done >/run/redd/door.fifo' &")
    )
    assert.strictEqual((await here.script("flooded", "exit 9")).code, 9)
    await cleanup("flooded")
  })
})

describe("hostile text", { timeout: 300_000 }, () => {
  const anything = fc
    .oneof(
      fc.string({ unit: "binary", minLength: 1, maxLength: 60 }),
      fc.string({
        unit: fc.constantFrom("/", ".", "-", "\n", "%", "$", "`", "'", '"', "\\", ":", " ", "é", "\u202e"),
        minLength: 1,
        maxLength: 20
      })
    )
    .filter((text) => !text.includes("\0"))

  it("as an id names a machine, or is refused", async () => {
    await fc.assert(
      fc.asyncProperty(anything, async (id) => {
        const made = await here.redd("prepare", `--id=${id}`, "--image", "tiny", "--boot", "none")
        cleanly(made)
        if (made.code === 0) assert.strictEqual((await here.redd("exec", `--id=${id}`, "--", "true")).code, 0)
        if (made.code === 0) await cleanup(id)
      }),
      { numRuns }
    )
    assert.deepStrictEqual(await left(here), [])
  })
  it("as an image's name is refused", async () => {
    await fc.assert(
      fc.asyncProperty(anything, async (image) => {
        const outcome = await here.redd("prepare", "--id", "x", `--image=${image}`)
        cleanly(outcome)
        assert.strictEqual(outcome.code, 125)
      }),
      { numRuns }
    )
    assert.deepStrictEqual(await left(here), [])
  })
  it("as a script is run, whatever it does to itself", async () => {
    await prepare("scripts", "--image", "tiny", "--boot", "none")
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (script) => {
        cleanly(await here.script("scripts", Buffer.from(script), "--timeout", "20s", "--grace", "1s"))
      }),
      { numRuns }
    )
    await cleanup("scripts")
  })
  it("as a record harms no other machine, and is said", async () => {
    for (const id of ["good", "bad"]) await prepare(id, "--image", "tiny", "--boot", "none")
    const { stdout } = await succeeds(here.host.run(["/bin/sh", "-c", 'cat "$1"/records/bad-*.json', "sh", here.root]))
    await cleanup("bad")
    const bad: Record<string, unknown> = JSON.parse(stdout)
    const write = `cat >"$1/records/${String(bad["key"])}.json"`
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(bad)), fc.jsonValue(), async (key, value) => {
        const record = JSON.stringify({ ...bad, [key]: value })
        await succeeds(here.host.run(["/bin/sh", "-c", write, "sh", here.root], { input: record }))
        for (const command of [["list"], ["gc"], ["list", "--json"]]) cleanly(await here.redd(...command))
        assert.strictEqual((await here.script("good", "exit 3")).code, 3)
      }),
      { numRuns }
    )
    await succeeds(here.host.run(["/bin/sh", "-c", 'rm -f "$1"/records/bad-*', "sh", here.root]))
    await cleanup("good")
  })
})
