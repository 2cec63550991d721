/** Commands in a machine: what goes in, what comes out, how they end. */
import { createHash, randomBytes } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { fullSuite, lab, left, peakOf, type State, state, succeeds, until } from "./Lab.ts"

let here: State
const exec = (...command: ReadonlyArray<string>) => here.redd("exec", "--id", "m", "--", ...command)

beforeAll(async () => {
  here = state(lab(fullSuite()), "btrfs")
  await succeeds(here.redd("prepare", "--id", "m", "--image", "trixie", "--env", "GIVEN=by the machine"))
})
afterAll(async () => {
  await here.redd("cleanup", "--id", "m")
  assert.deepStrictEqual(await left(here), [])
})

/** Processes of the machine's run cgroups that are not the door's. */
const running = async (): Promise<string> =>
  (await exec("sh", "-c", "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done")).stdout

describe("what goes in", () => {
  it("a script is run byte for byte, whatever bytes are in it", async () => {
    const odd = Buffer.concat([
      Buffer.from("cat <<'END' | od -An -v -tx1 | tr -d ' \\n'\n$HOME `id` %s %% \"q\" 'a' \\n\r\n"),
      Buffer.from([0x01, 0x80, 0x81, 0x82, 0x88, 0xff, 0xfe, 0x0a]),
      Buffer.from("END\n")
    ])
    const { stdout } = await succeeds(here.script("m", odd))
    const body = odd.subarray(odd.indexOf("\n") + 1, odd.length - 4)
    assert.strictEqual(stdout, body.toString("hex"))
  })

  it("a script of 1 MiB of text arrives whole", async () => {
    const lines = Array.from({ length: 16_400 }, (_, line) => `: ${String(line).padStart(61, "x")}`).join("\n")
    assert.isAtLeast(lines.length, 2 ** 20)
    assert.strictEqual((await succeeds(here.script("m", `${lines}\necho end`))).stdout, "end\n")
  })

  it("1 MiB of arguments arrive unchanged, with quotes, dollars, newlines and percent signs", async () => {
    const argument = `$HOME %s '"\\ \`id\`\r\n${"x".repeat(65_000)}`
    const words = Array.from({ length: 16 }, () => argument)
    const { stdout } = await succeeds(exec("sh", "-c", 'printf %s "$@" | sha256sum | cut -d" " -f1', "sh", ...words))
    assert.strictEqual(stdout.trim(), createHash("sha256").update(words.join("")).digest("hex"))
  })

  it("arguments that are not UTF-8 arrive unchanged", async () => {
    const script = `exec "$1" exec --id m -- printf %s "$(printf '\\377\\376\\201\\210 z')"`
    const outcome = here.host.run(
      ["/bin/sh", "-c", `${script} | od -An -tx1`, "sh", `${here.host.repository}/bin/redd`],
      {
        environment: { REDD_ROOT: here.root }
      }
    )
    const { stdout } = await succeeds(outcome)
    assert.strictEqual(stdout.trim(), "ff fe 81 88 20 7a")
  })

  it("a script has its standard input closed, and does not swallow itself", async () => {
    assert.strictEqual((await succeeds(here.script("m", "cat; read x; echo after"))).stdout, "after\n")
  })

  it("exec passes standard input on, 32 MiB of any bytes, and its end", async () => {
    const bytes = randomBytes(2 ** 25)
    const { stdout } = await succeeds(here.reddWith({ input: bytes }, "exec", "--id", "m", "--", "sha256sum"))
    assert.strictEqual(stdout.split(" ")[0], createHash("sha256").update(bytes).digest("hex"))
  })

  it("a command that does not read its standard input ends all the same", async () => {
    await succeeds(here.reddWith({ input: randomBytes(2 ** 20) }, "exec", "--id", "m", "--", "true"))
  })

  it("the environment is plain: nothing of the caller's leaks in", async () => {
    const { stdout } = await succeeds(
      here.reddWith({ environment: { SECRET: "leak" } }, "exec", "--id", "m", "--env", "MINE=a b", "--", "env")
    )
    const names = stdout
      .trim()
      .split("\n")
      .map((line) => line.split("=")[0])
      .sort()
    assert.deepStrictEqual(names, ["GIVEN", "HOME", "LANG", "LOGNAME", "MINE", "PATH", "PWD", "USER"])
    assert.include(stdout, "LANG=C.UTF-8\n")
    assert.include(stdout, "MINE=a b\n")
  })

  it("another user, another folder", async () => {
    const { stdout } = await succeeds(
      here.redd("exec", "--id", "m", "--user", "nobody", "--cwd", "/var/tmp", "--", "sh", "-c", "id -un; pwd; id -G")
    )
    assert.strictEqual(stdout, "nobody\n/var/tmp\n65534\n")
  })
})

describe("what comes out", () => {
  it("standard output and standard error stay apart, and can be opened again, by any user", async () => {
    const script = "echo out; echo err >&2; echo again >/dev/stdout; echo late >/dev/stderr"
    const { stderr, stdout } = await succeeds(
      here.redd("exec", "--id", "m", "--user", "nobody", "--", "sh", "-c", script)
    )
    assert.strictEqual(stdout, "out\nagain\n")
    assert.strictEqual(stderr, "err\nlate\n")
  })

  it("bytes come out unaltered, all of them, at once after the end", async () => {
    await succeeds(here.script("m", "head -c 20000000 /dev/urandom >/srv/blob"))
    const { stdout } = await succeeds(exec("sha256sum", "/srv/blob"))
    const sum = here.host.run(
      ["/bin/sh", "-c", '"$1" exec --id m -- cat /srv/blob | sha256sum', "sh", `${here.host.repository}/bin/redd`],
      {
        environment: { REDD_ROOT: here.root }
      }
    )
    assert.strictEqual((await succeeds(sum)).stdout.split(" ")[0], stdout.split(" ")[0])
  })

  it("2 GB go through without filling memory, and a slow reader slows the command", async () => {
    const measure = '"$1" exec --id m -- head -c 2000000000 /dev/zero | (sleep 1; wc -c)'
    const child = here.host.start(["/bin/sh", "-c", measure, "sh", `${here.host.repository}/bin/redd`], {
      environment: { REDD_ROOT: here.root }
    })
    const peakKb = await peakOf("exec --id m -- head", child.outcome)
    assert.strictEqual((await succeeds(child.outcome)).stdout.trim(), "2000000000")
    assert.isBelow(peakKb, 300_000)
  })

  it("a run ends when its script ends, even while a background child holds its output, which goes on", async () => {
    const child = "(until [ -e /srv/stop ]; do echo tick; echo >>/srv/ticks; sleep 0.05; done) &"
    const started = await succeeds(here.script("m", `echo before; ${child} sleep 0.2`))
    assert.match(started.stdout, /^before\n/)
    const count = async () => Number((await succeeds(exec("sh", "-c", "wc -l </srv/ticks"))).stdout)
    const before = await count()
    await until("the child writes on", async () => (await count()) > before + 3)
    await succeeds(exec("touch", "/srv/stop"))
  })

  it("what a reader does not want, the command cannot write: EPIPE, as in a pipeline", async () => {
    const script = '"$1" exec --id m -- sh -c "yes; echo \\$? >/srv/yes" | head -n 1'
    const { stdout } = await succeeds(
      here.host.run(["/bin/sh", "-c", script, "sh", `${here.host.repository}/bin/redd`], {
        environment: { REDD_ROOT: here.root }
      })
    )
    assert.strictEqual(stdout, "y\n")
    await until("yes has ended", async () => (await exec("cat", "/srv/yes")).code === 0)
  })
})

describe("how it ends", () => {
  it.each([0, 1, 2, 9, 124, 125, 126, 127, 128, 133, 137, 143, 255])("exit code %d is its own", async (code) => {
    const { code: ours, stderr } = await here.script("m", `exit ${code}`)
    assert.strictEqual(ours, code)
    assert.strictEqual(stderr, "")
  })

  it.each([
    [9, "KILL"],
    [15, "TERM"],
    [11, "SEGV"],
    [6, "ABRT"]
  ])("killed by signal %d: 128 + n, said in words, told from exit code 128 + n in JSON", async (number, name) => {
    const killed = await here.script("m", `kill -${name} $$`)
    assert.strictEqual(killed.code, 128 + number)
    assert.include(killed.stderr, `killed by signal ${number} (SIG${name})`)
    const signaled = await here.script("m", `kill -${name} $$`, "--json")
    assert.deepStrictEqual(JSON.parse(signaled.stderr), {
      id: "m",
      ended: "signaled",
      signal: number,
      exitCode: 128 + number
    })
    const exited = await here.script("m", `exit ${128 + number}`, "--json")
    assert.deepStrictEqual(JSON.parse(exited.stderr), {
      id: "m",
      ended: "exited",
      code: 128 + number,
      exitCode: 128 + number
    })
  })

  it("a time-out is 124, said in words, and nothing of the run is left", async () => {
    const outcome = await here.script(
      "m",
      "trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 4242' & sleep 4242",
      "--timeout",
      "1s",
      "--grace",
      "300ms"
    )
    assert.strictEqual(outcome.code, 124)
    assert.include(outcome.stderr, "did not end within 1 s")
    assert.notInclude(await running(), "4242")
  })

  it.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
    ["SIGHUP", 129]
  ] as const)("%s cancels: the script's trap has its grace, and the exit code is %d", async (signal, code) => {
    const run = here.start(
      "exec",
      "--id",
      "m",
      "--grace",
      "20s",
      "--json",
      "--",
      "bash",
      "-c",
      "trap 'echo cleaning up; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    )
    await run.says("ready")
    run.signal(signal)
    const outcome = await run.outcome
    assert.strictEqual(outcome.code, code)
    assert.include(outcome.stdout, "cleaning up")
    assert.deepStrictEqual(JSON.parse(outcome.stderr.trim().split("\n").at(-1) ?? ""), {
      id: "m",
      ended: "cancelled",
      exitCode: code
    })
  })

  it("a second signal kills at once", async () => {
    const run = here.start(
      "exec",
      "--id",
      "m",
      "--grace",
      "600s",
      "--",
      "sh",
      "-c",
      "trap 'echo heard' TERM; echo ready; while :; do sleep 0.05; done"
    )
    await run.says("ready")
    run.signal("SIGTERM")
    await run.says("heard")
    run.signal("SIGTERM")
    assert.strictEqual((await run.outcome).code, 143)
  })

  it("a cancelled run spares what an earlier run left in the background", async () => {
    await succeeds(here.script("m", "sleep 5151 >/dev/null 2>&1 & :"))
    const outcome = await here.script("m", "sleep 6161 & sleep 6161", "--timeout", "300ms", "--grace", "1s")
    assert.strictEqual(outcome.code, 124)
    const processes = await running()
    assert.include(processes, "5151")
    assert.notInclude(processes, "6161")
  })

  it("a script whose starter is killed from inside is a killed one, and the machine lives on", async () => {
    const outcome = await here.script("m", "kill -KILL $PPID; sleep 0.2")
    assert.strictEqual(outcome.code, 137)
    await succeeds(exec("true"))
  })

  it("its signals have their defaults: INT, QUIT and PIPE end what does not handle them", async () => {
    // A shell starts its background with INT and QUIT ignored, and a unit with PIPE; neither can be undone inside.
    const script = 'for s in INT QUIT PIPE; do sh -c "kill -$s \\$\\$; echo survived $s"; done; exit 0'
    assert.notInclude((await succeeds(here.script("m", script))).stdout, "survived")
  })

  it("a script file that is missing is 127, and says so", async () => {
    const { code, stderr } = await here.redd("run", "--id", "m", "/no/such/script")
    assert.strictEqual(code, 127)
    assert.match(stderr, /^redd: Cannot read the script \/no\/such\/script: there is no such file\.\nhint: /)
  })

  it.each([
    ["a command that is missing", ["--", "no-such-command"], 127, "there is no command no-such-command"],
    ["a user that is missing", ["--user", "nosuch", "--", "id"], 126, "there is no user nosuch"],
    ["a folder that is missing", ["--cwd", "/nowhere", "--", "id"], 126, "/nowhere"]
  ] as const)("%s: %j is %d", async (_, args, code, said) => {
    const outcome = await here.redd("exec", "--id", "m", ...args)
    assert.strictEqual(outcome.code, code)
    assert.include(outcome.stderr, said)
  })

  it("no file of a run is left in the machine's door", async () => {
    const { stdout } = await succeeds(
      exec("sh", "-c", "ls /run/redd | grep -v '^[0-9]*$' | sort | tr '\\n' ' '; ls /run/redd | grep -c '^[0-9]*$'")
    )
    assert.strictEqual(stdout, "door door.fifo unit 1\n")
  })
})

describe("40 runs at a time", () => {
  it("each has its own output and its own end", async () => {
    const outcomes = await Promise.all(Array.from({ length: 40 }, (_, n) => here.script("m", `echo ${n}; exit ${n}`)))
    assert.deepStrictEqual(
      outcomes.map(({ code, stdout }) => [code, stdout]),
      outcomes.map((_, n) => [n, `${n}\n`])
    )
  })
})

describe("files", () => {
  const folder = mkdtempSync(`${tmpdir()}/redd-files-`)
  afterAll(() => rmSync(folder, { recursive: true }))

  it("go in and come out as they were", async () => {
    writeFileSync(`${folder}/file`, randomBytes(100_000))
    await succeeds(
      here.host.run(["/bin/sh", "-c", "mkdir -p /var/tmp/in/sub && cat >'/var/tmp/in/sub/a b'"], {
        input: readFileSync(`${folder}/file`)
      })
    )
    await succeeds(here.redd("copy-in", "--id", "m", "/var/tmp/in", "/srv/deep/"))
    await succeeds(here.redd("copy-out", "--id", "m", "/srv/deep/in", "/var/tmp/out"))
    await succeeds(here.host.run(["diff", "-r", "/var/tmp/in", "/var/tmp/out"]))
    const again = await here.redd("copy-out", "--id", "m", "/srv/deep/in", "/var/tmp/out/in")
    assert.strictEqual(again.code, 0)
    const over = await here.redd("copy-out", "--id", "m", "/srv/deep/in", "/var/tmp/out")
    assert.strictEqual(over.code, 125)
    assert.include(over.stderr, "exists already")
  })

  it("a hostile archive leaves no device, no set-id bit, nothing outside", async () => {
    await succeeds(
      here.script(
        "m",
        "mkdir -p /srv/evil; cp /bin/sh /srv/evil/suid; chmod 4755 /srv/evil/suid; mkfifo /srv/evil/fifo; ln -s /etc /srv/evil/etc"
      )
    )
    await succeeds(here.redd("copy-out", "--id", "m", "/srv/evil", "/var/tmp/evil"))
    const { stdout } = await succeeds(
      here.host.run(["/bin/sh", "-c", "cd /var/tmp/evil && find . -printf '%y %m %p\\n' | sort"])
    )
    assert.notMatch(stdout, /^p /m)
    assert.match(stdout, /^f 755 \.\/suid$/m)
    const missing = await here.redd("copy-out", "--id", "m", "/nowhere", "/var/tmp/nothing")
    assert.include(missing.stderr, "there is no /nowhere in the machine")
    for (const nameless of ["/", "/srv/..", "."]) {
      const { code, stderr } = await here.redd("copy-out", "--id", "m", nameless, "/var/tmp/nameless")
      assert.strictEqual(code, 125)
      assert.include(stderr, "has no name of its own")
    }
  })
})
