/** `redd player`: programs that are kept playing, and of which nothing is left once they are stopped. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { fullSuite, type Outcome, succeeds, until, withPackages } from "./Lab.ts"
import { userPackages } from "./setup.ts"
import { withUser } from "./Users.ts"

const host = () => withPackages(fullSuite(), ...userPackages)

/** Root, or somebody who lingers; held by this manager. */
interface Who {
  readonly title: string
  readonly manager: string
  /** In front of a command. */
  readonly become: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
}

const root: Omit<Who, "title" | "manager"> = { become: [], environment: {} }
const pi: Omit<Who, "title" | "manager"> = {
  become: ["setpriv", "--reuid=pi", "--regid=pi", "--init-groups", "--"],
  environment: { XDG_RUNTIME_DIR: "/run/user/1000", HOME: "/home/pi" }
}
const everybody: ReadonlyArray<Who> = [
  { title: "root, by systemd", manager: "system", ...root },
  { title: "root, without systemd", manager: "standalone", ...root },
  { title: "a user, by their systemd", manager: "user", ...pi },
  { title: "a user, without systemd", manager: "standalone", ...pi }
]

const as = (who: Who) => {
  const call = (args: ReadonlyArray<string>) => [...who.become, `${host().repository}/bin/redd`, "player", ...args]
  const withManager = ([verb = "", ...args]: ReadonlyArray<string>) =>
    call(who.manager === "auto" ? [verb, ...args] : [verb, "--manager", who.manager, ...args])
  return {
    player: (...args: ReadonlyArray<string>): Promise<Outcome> =>
      host().run(withManager(args), { environment: who.environment }),
    begin: (...args: ReadonlyArray<string>) => host().start(withManager(args), { environment: who.environment }),
    rows: async (): Promise<ReadonlyArray<Row>> =>
      JSON.parse((await succeeds(host().run(withManager(["list", "--json"]), { environment: who.environment }))).stdout)
  }
}

interface Row {
  readonly name: string
  readonly state: string
  readonly manager: string
  readonly supervisor: number | null
  readonly processes: ReadonlyArray<{ readonly pid: number; readonly command: string }>
  readonly restarts: number
  readonly said: string | null
}

/** How many sleep for so long, on the host. */
const count = async (seconds: number): Promise<number> =>
  Number((await host().run(["pgrep", "--count", "--full", "--", `^(/usr/bin/)?sleep ${seconds}`])).stdout.trim())

/** What is left of players: processes, units, cgroups, files but logs. */
const left = async (): Promise<string> =>
  (
    await host().run([
      "/bin/sh",
      "-c",
      `systemctl list-units --all --plain --no-legend 'redd_*'
systemctl --user --machine=pi@ list-units --all --plain --no-legend 'redd_*'
find /sys/fs/cgroup -type d -name 'redd_*' ! -path '*/redd_player*'
ls /run/redd/slices /run/user/1000/redd/slices /run/redd/sockets /run/user/1000/redd/sockets 2>/dev/null | grep -v :
ls /run/redd/players /run/user/1000/redd/players 2>/dev/null | grep -Ev ':|\\.log(\\.1)?$'`
    ])
  ).stdout.trim()

const inhibitors = async (): Promise<string> => (await host().run(["systemd-inhibit", "--list", "--no-pager"])).stdout

beforeAll(withUser)
afterAll(async () => {
  for (let tries = 0; tries < 100 && (await left()) !== ""; tries++) await host().run(["sleep", "0.1"])
  assert.strictEqual(await left(), "")
})

/** Two daemons by double forks, one of which ignores SIGTERM, one in a session of its own; the launcher ends. */
const launcher = (number: number) =>
  `(setsid sleep ${number} & ) ; (sh -c 'trap "" TERM; sleep ${number} & wait; sleep ${number}' & ) ; exit 0`

describe.each(everybody)("a player of $title", (who) => {
  const { begin, player, rows } = as(who)

  it("is stopped with all that it has started, whatever that does", async () => {
    await succeeds(player("start", "daemons", "--forking", "--grace", "500ms", "--", "sh", "-c", launcher(98_761)))
    await until("all of it runs", async () => (await count(98_761)) >= 2)
    assert.strictEqual((await rows()).find(({ name }) => name === "daemons")?.state, "playing")
    await succeeds(player("stop", "daemons"))
    assert.strictEqual(await count(98_761), 0)
    assert.include((await succeeds(player("stop", "daemons"))).stderr, "no player")
  })

  it("of two, one is stopped and the other plays on; a name that runs is refused", async () => {
    for (const name of ["one-a", "one/b"]) await succeeds(player("start", name, "--", "sleep", "98762"))
    const again = await player("start", "one-a", "--", "true")
    assert.strictEqual(again.code, 125)
    assert.match(again.stderr, /"one-a" is running: process \d+/)
    await succeeds(player("stop", "one-a"))
    assert.strictEqual(await count(98_762), 1)
    await succeeds(player("stop", "one/b"))
    assert.strictEqual(await count(98_762), 0)
  })

  it("whose supervisor is killed is seen to be left, and stopped by its name", async () => {
    await succeeds(player("start", "left", "--", "sleep", "98763"))
    const supervisor = (await rows()).find(({ name }) => name === "left")?.supervisor
    await succeeds(host().run(["kill", "-KILL", String(supervisor)]))
    await until("it is seen", async () => (await rows()).some(({ name, state }) => name === "left" && state === "left"))
    await succeeds(player("stop", "left"))
    assert.strictEqual(await count(98_763), 0)
  })

  it("is in the list, and stopped by its name, when its supervisor is killed in the moment that it begins", async () => {
    const running = begin("start", "early", "--foreground", "--", "sleep", "98768")
    // Also what is about to become the command has its words.
    const kill = "until pgrep --full '[/]sleep 98768'; do :; done; pkill -KILL --full 'nod[e] .* early --foreground'"
    await succeeds(host().run(["/bin/sh", "-c", kill]))
    await running.outcome
    assert.include(
      (await rows()).map(({ name }) => name),
      "early"
    )
    await succeeds(player("stop", "early"))
    assert.strictEqual(await count(98_768), 0)
  })

  it("that is being started is stopped by Ctrl-C, and by stop", async () => {
    const interrupted = begin("start", "slow", "--ready", "line:never", "--", "sleep", "98764")
    await until("it has begun", async () => (await count(98_764)) === 1)
    interrupted.signal("SIGINT")
    assert.strictEqual((await interrupted.outcome).code, 130)
    assert.strictEqual(await count(98_764), 0)
    const stopped = begin("start", "slow", "--ready", "line:never", "--", "sleep", "98764")
    await until("it has begun", async () => (await count(98_764)) === 1)
    await succeeds(player("stop", "slow"))
    assert.strictEqual((await stopped.outcome).code, 125)
    assert.strictEqual(await count(98_764), 0)
  })

  it("that is started by one who is killed is stopped by its name, and nothing of the order is left", async () => {
    const killed = begin("start", "slow", "--ready", "line:never", "--", "sleep", "98766")
    await until("it has begun", async () => (await count(98_766)) === 1)
    killed.signal("SIGKILL")
    await killed.outcome
    await succeeds(player("stop", "slow"))
    assert.strictEqual(await count(98_766), 0)
    assert.notInclude(await left(), "slow")
  })

  it("plays on when somebody starts another of its name, and thinks better of it", async () => {
    await succeeds(player("start", "first", "--", "sleep", "98767"))
    const second = begin("start", "first", "--", "sleep", "98767")
    await until("it was ordered", async () => (await left()).includes(".order"))
    second.signal("SIGINT")
    await second.outcome
    assert.strictEqual(await count(98_767), 1)
    await succeeds(player("stop", "first"))
    assert.strictEqual(await count(98_767), 0)
  })

  it("comes back when it is killed, and says so in its log", async () => {
    await succeeds(player("start", "back", "--ready", "line:up", "--", "sh", "-c", "echo up; exec sleep 98765"))
    const first = (await rows()).find(({ name }) => name === "back")?.processes[0]?.pid
    await succeeds(host().run(["kill", "-KILL", String(first)]))
    await until("it plays again", async () =>
      (await rows()).some(({ name, restarts, state }) => name === "back" && state === "playing" && restarts === 1)
    )
    const { stdout } = await succeeds(player("logs", "back"))
    assert.match(
      stdout,
      /up\nredd: ready\nredd: it was killed by signal 9\n[^]*redd: started, process \d+\nup\nredd: ready\n$/
    )
    await succeeds(player("restart", "back"))
    assert.strictEqual(await count(98_765), 1)
    await succeeds(player("stop", "back"))
    assert.strictEqual(await count(98_765), 0)
  })
})

describe("a player", () => {
  const { player, rows } = as({ title: "", manager: "auto", ...root })

  it("has the commands that people call in its help, and not what redd calls itself", async () => {
    const { stdout } = await succeeds(player("--help"))
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, command]) => command)
    assert.includeMembers(commands, ["start", "stop", "restart", "status", "logs", "list", "watch"])
    assert.notInclude(commands, "supervise")
  })

  it.each([
    ["dashes", "a-b-c"],
    ["slashes", "../../x"],
    ["300 characters", "x".repeat(300)],
    ["other scripts", "日本 é"],
    ["newlines", "a\nb"],
    ["percent signs", "%n%i"]
  ])("may be called by a name with %s", async (_, name) => {
    await succeeds(player("start", name, "--", "sleep", "98770"))
    assert.include(
      (await rows()).map((row) => row.name),
      name
    )
    await succeeds(player("stop", name))
  })

  it.each([
    ["a command that is not there", 127, ["x", "--", "no-such-command"], "There is no command no-such-command"],
    ["a file that is no program", 126, ["x", "--", "/etc/passwd"], "cannot be executed"],
    ["no command", 125, ["x"], "command"],
    ["no dashes", 125, ["x", "true"], "There is no -- before"],
    ["an empty name", 125, ["", "--", "true"], "a text of 1 to 1000 bytes"],
    ["a signal that there is not", 125, ["--signal", "HURRY", "x", "--", "true"], "is no signal"],
    ["a sign that there is not", 125, ["--ready", "port:99999", "x", "--", "true"], "is none of immediately"],
    ["something that cannot be held up", 125, ["--inhibit", "rain", "x", "--", "true"], "systemd-inhibit can hold up"],
    ["a user that there is not", 125, ["--user", "nobody-at-all", "x", "--", "true"], "There is no user"]
  ])("%s is said in a paragraph", async (_, code, args, says) => {
    const outcome = await player("start", ...args)
    assert.strictEqual(outcome.code, code, outcome.stderr)
    assert.include(outcome.stderr, says)
    assert.notMatch(outcome.stderr, /^ +at /m)
    await player("stop", "x")
  })

  it("that always ends is given up, with its last words; others play on", async () => {
    await succeeds(player("start", "well", "--", "sleep", "98771"))
    const { code, stderr } = await player(
      "start",
      "crash",
      "--restart-limit",
      "2/1m",
      "--ready",
      "10s",
      "--",
      "sh",
      "-c",
      "echo last words >&2; exit 3"
    )
    assert.strictEqual(code, 125)
    assert.match(stderr, /"crash" was restarted 2 times within 1m and ended with exit code 3 again: given up/)
    assert.include(stderr, "last words")
    const crash = (await rows()).find(({ name }) => name === "crash")
    assert.deepInclude(crash, { state: "failed", restarts: 2, supervisor: null, processes: [] })
    assert.strictEqual(await count(98_771), 1)
    for (const name of ["well", "crash"]) await succeeds(player("stop", name))
  })

  it.each([
    [
      "a port",
      "port:4712",
      `exec perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1); sleep 1; bind(S, sockaddr_in(4712, INADDR_LOOPBACK)); listen(S, 5); sleep 98772'`
    ],
    ["sd_notify", "notify", "sleep 0.5; systemd-notify --ready; exec sleep 98772"],
    ["a while", "300ms", "exec sleep 98772"]
  ])("is ready by %s, and fails where it is not in time", async (_, ready, script) => {
    await succeeds(player("start", "sign", "--ready", ready, "--ready-within", "30s", "--", "sh", "-c", script))
    await succeeds(player("stop", "sign"))
    if (ready.endsWith("ms")) return
    const late = await player(
      "start",
      "sign",
      "--restart",
      "never",
      "--ready",
      ready,
      "--ready-within",
      "200ms",
      "--",
      "sleep",
      "98772"
    )
    assert.notStrictEqual(late.code, 0)
    assert.strictEqual(await count(98_772), 0)
    await succeeds(player("stop", "sign"))
  })

  it.each([
    [
      "says nothing any more",
      ["--ready", "notify", "--watchdog", "1s"],
      "systemd-notify --ready; exec sleep 98773",
      "it is not well"
    ],
    [
      "fails its check",
      ["--check", "test ! -e /run/unwell", "--check-every", "200ms"],
      "sleep 0.5; touch /run/unwell; exec sleep 98773",
      "it is not well"
    ]
  ])("that %s is started anew", async (_, flags, script, says) => {
    await succeeds(player("start", "ill", ...flags, "--", "sh", "-c", script))
    await until(
      "it was started anew",
      async () => ((await rows()).find(({ name }) => name === "ill")?.restarts ?? 0) > 0
    )
    assert.include((await succeeds(player("logs", "ill"))).stdout, says)
    await succeeds(player("stop", "ill"))
    await host().run(["rm", "-f", "/run/unwell"])
    assert.strictEqual(await count(98_773), 0)
  })

  it("holds up what shall not happen while it plays", async () => {
    await succeeds(player("start", "awake", "--inhibit", "idle:sleep", "--", "sleep", "98774"))
    await until("it is held up", async () => /redd .* block/.test(await inhibitors()))
    await succeeds(player("stop", "awake"))
    assert.notMatch(await inhibitors(), /redd .* block/)
  })

  it("has the user, folder, environment and signal that were asked for; its variables are on no command line", async () => {
    const script = `trap 'echo stopped; exit 0' USR1; id -un; pwd; echo "$SECRET"; while :; do sleep 0.1; done`
    await succeeds(
      player(
        "start",
        "asked",
        "--user",
        "pi",
        "--cwd",
        "/tmp",
        "--env",
        "SECRET=tell nobody",
        "--signal",
        "USR1",
        "--ready",
        "line:tell",
        "--",
        "sh",
        "-c",
        script
      )
    )
    const shown = await host().run(["/bin/sh", "-c", "cat /proc/*/cmdline | tr '\\0' ' '; systemctl show 'redd_*'"])
    assert.notInclude(shown.stdout, "tell nobody")
    await succeeds(player("stop", "asked"))
    assert.match((await succeeds(player("logs", "asked"))).stdout, /pi\n\/tmp\ntell nobody\n[^]*stopped\n/)
  })

  it("is found and stopped without a word about who holds it", async () => {
    await succeeds(player("start", "--manager", "standalone", "held", "--", "sleep", "98775"))
    const row = (await rows()).find(({ name }) => name === "held")
    assert.deepInclude(row, { manager: "standalone", state: "playing" })
    assert.strictEqual(row?.processes.length, 1)
    await succeeds(player("stop", "held"))
    assert.strictEqual(await count(98_775), 0)
  })

  it("in the foreground writes where redd does, and its exit code is redd's", async () => {
    const { code, stderr, stdout } = await player(
      "start",
      "here",
      "--foreground",
      "--restart",
      "never",
      "--",
      "sh",
      "-c",
      "echo out; echo err >&2; exit 9"
    )
    assert.deepStrictEqual([code, stdout], [9, "out\n"])
    assert.include(stderr, "err\n")
    await player("stop", "here")
  })
})
