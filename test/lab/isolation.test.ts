/** A job that tries to reach the host, as root in its machine: each attempt of attempts.ts, under both engines. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { type Attempt, attempts } from "./attempts.ts"
import {
  fullSuite,
  type Host,
  lab,
  left,
  type Outcome,
  type Running,
  type State,
  state,
  succeeds,
  thisMachine
} from "./Lab.ts"

/** What must be as it was: a line each. */
const facts = `cat /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/swaps
cat /proc/sys/vm/swappiness /proc/sys/net/ipv4/ip_forward /sys/kernel/rcu_expedited
cut -d' ' -f5 /proc/self/mountinfo | grep -v nspawn | sort
cat "$1/canary"; ls -A "$1/images"; stat -c '%a %u' "$1"`

const canary = "48151623"

const holds = ({ none }: Attempt, engine: string, isolation: string) =>
  isolation === "users" || none === "holds" || (none === "managed" && engine === "managed")

interface Result {
  readonly code: number
  readonly said: string
}

for (const { engine, host: hostOf } of [
  { engine: "managed", host: () => lab(fullSuite()) },
  { engine: "standalone", host: thisMachine }
]) {
  for (const { boot, isolation } of [
    { isolation: "users", boot: "init" },
    { isolation: "users", boot: "none" },
    { isolation: "none", boot: "init" }
  ] as const) {
    describe(`root in a machine: ${engine}, isolation ${isolation}, boot ${boot}`, () => {
      let host: Host
      let here: State
      let sleeper: Running
      let tree = ""
      let before: Outcome
      const results = new Map<string, Result>()
      const ask = () => host.run(["/bin/sh", "-c", facts, "facts", here.root])

      beforeAll(async () => {
        host = hostOf()
        here = state(host, "btrfs")
        sleeper = host.start(["sleep", canary])
        await succeeds(host.run(["/bin/sh", "-c", `echo alive >${here.root}/canary`]))
        await succeeds(
          here.redd(
            "prepare",
            "--id",
            "j",
            "--image",
            "trixie",
            "--engine",
            engine,
            "--isolation",
            isolation,
            "--boot",
            boot
          )
        )
        tree = `${here.root}/machines/${JSON.parse((await succeeds(here.redd("list", "--json"))).stdout)[0].machine}/root`
        before = await ask()
        const script = [
          // As a pattern, so that who looks for it is not found.
          `host=${here.root} canary=${canary.slice(0, -1)}[${canary.slice(-1)}]`,
          ...attempts.map((attempt, n) => `echo "== ${n}"\n(\nexec 2>&1 </dev/null\n${attempt.script}\n)\necho "-- $?"`)
        ].join("\n")
        const { stdout } = await succeeds(here.script("j", script, "--shell", "bash"))
        for (const [, n = "", said = "", code = ""] of stdout.matchAll(/^== (\d+)\n([^]*?)^-- (\d+)$/gm))
          results.set(attempts[Number(n)]?.tried ?? "", { said, code: Number(code) })
      })
      afterAll(async () => {
        sleeper.signal("SIGKILL")
        await succeeds(here.redd("cleanup", "--id", "j"))
        assert.deepStrictEqual(await left(here), [])
      })

      for (const attempt of attempts) {
        if (isolation === "none" && attempt.none === "depends") continue
        it(`${attempt.tried}: ${holds(attempt, engine, isolation) ? "refused" : "reaches the host"}`, async () => {
          const result = results.get(attempt.tried)
          if (!holds(attempt, engine, isolation)) {
            assert.strictEqual(result?.code, 0, result?.said)
            return
          }
          assert.notStrictEqual(result?.code, 0, result?.said)
          assert.match(result?.said ?? "nothing", attempt.refused)
          if (attempt.host === undefined) return
          const { code, stdout } = await host.run(["/bin/sh", "-c", attempt.host, "attempt", tree])
          assert.notStrictEqual(code, 0, stdout)
        })
      }
      it("the host is as it was", async () => {
        assert.strictEqual((await ask()).stdout, before.stdout)
        assert.strictEqual(sleeper.child.exitCode, null)
      })
    })
  }
}

/** Listens on an abstract socket and on a port of the loopback, and says which. */
const listener = `use Socket; $| = 1;
socket($u, AF_UNIX, SOCK_STREAM, 0) && bind($u, pack_sockaddr_un("\\0redd-canary-$$")) && listen($u, 9) or die $!;
socket($t, AF_INET, SOCK_STREAM, 0) && bind($t, pack_sockaddr_in(0, INADDR_LOOPBACK)) && listen($t, 9) or die $!;
($port) = unpack_sockaddr_in(getsockname $t); print "listening: $$ $port\n"; sleep 600`
const connector = `use Socket; ($pid, $port) = @ARGV;
socket($u, AF_UNIX, SOCK_STREAM, 0); print connect($u, pack_sockaddr_un("\\0redd-canary-$pid")) ? "abstract\n" : "$!\n";
socket($t, AF_INET, SOCK_STREAM, 0); print connect($t, pack_sockaddr_in($port, INADDR_LOOPBACK)) ? "port\n" : "$!\n"`

describe("the host's sockets", () => {
  let here: State
  let listening: Running
  let numbers = ""
  const connect = async (id: string, ...flags: ReadonlyArray<string>) => {
    await succeeds(here.redd("prepare", "--id", id, "--image", "trixie", "--boot", "none", ...flags))
    const words = ["perl", "-e", connector, ...numbers.split(" ")]
    const { stdout } = await succeeds(here.redd("exec", "--id", id, "--", ...words))
    await succeeds(here.redd("cleanup", "--id", id))
    return stdout
  }

  beforeAll(async () => {
    here = state(lab(fullSuite()), "btrfs")
    listening = here.host.start(["perl", "-e", listener])
    await listening.says("listening: ")
    numbers = /listening: (\d+ \d+)/.exec(listening.said())?.[1] ?? ""
  })
  afterAll(async () => {
    listening.signal("SIGKILL")
    assert.deepStrictEqual(await left(here), [])
  })

  it("are reached with the host's network, abstract ones too: it is said so", async () => {
    assert.strictEqual(await connect("shared"), "abstract\nport\n")
  })
  it("are not reached with --network none", async () => {
    assert.strictEqual(await connect("alone", "--network", "none"), "Connection refused\nConnection refused\n")
  })
})

describe("a device node that an image brings", () => {
  it.each([
    { engine: "managed", hostOf: () => lab(fullSuite()), can: "refused" },
    { engine: "standalone", hostOf: thisMachine, can: "read" }
  ])("is $can under the $engine engine: it is said so", async ({ can, engine, hostOf }) => {
    const here = state(hostOf(), "btrfs")
    const node = `btrfs -q subvolume snapshot "$1/../images/trixie" "$1/images/node"
      set -- "$1" $(sed -n 3p /proc/partitions); mknod -m 600 "$1/images/node/root/disk" b $2 $3`
    await succeeds(here.host.run(["/bin/sh", "-ec", node, "node", here.root]))
    await succeeds(here.redd("prepare", "--id", "n", "--image", "node", "--boot", "none", "--engine", engine))
    const { code, stderr } = await here.script("n", "head -c 1 /root/disk >/dev/null")
    await succeeds(here.redd("cleanup", "--id", "n"))
    if (can === "read") assert.strictEqual(code, 0, stderr)
    else assert.include(stderr, "not permitted")
    assert.deepStrictEqual(await left(here), [])
  })
})

describe("what a job leaves for the host to follow", () => {
  let here: State
  const canaryFile = () => `${here.root}/canary`
  const isAlive = async () =>
    assert.strictEqual((await succeeds(here.host.run(["cat", canaryFile()]))).stdout, "alive\n")

  beforeAll(async () => {
    here = state(lab(fullSuite()), "btrfs")
    await succeeds(here.host.run(["/bin/sh", "-c", `echo alive >${canaryFile()}`]))
    await succeeds(here.redd("prepare", "--id", "f", "--image", "trixie", "--boot", "none"))
  })
  afterAll(async () => assert.deepStrictEqual(await left(here), []))

  it("an archive with ../ and absolute names is not unpacked outside", async () => {
    const evil = `cd ${here.root}; mkdir -p bad; echo evil >bad/x
      tar -cPf evil.tar --transform='s,^bad/x,../evil,' bad/x
      tar -rPf evil.tar --transform='s,^bad/x,${here.root}/evil,' bad/x
      ln -s ${here.root} bad/away; tar -rPf evil.tar bad/away; rm bad/away
      tar -rPf evil.tar --transform='s,^bad/x,bad/away/evil,' bad/x`
    await succeeds(here.host.run(["/bin/sh", "-ec", evil]))
    await succeeds(here.redd("copy-in", "--id", "f", `${here.root}/evil.tar`, "/evil.tar"))
    await succeeds(
      here.script(
        "f",
        "mv /usr/bin/tar /usr/bin/tar.away; printf '#!/bin/sh\\ncat /evil.tar\\n' >/usr/bin/tar; chmod 755 /usr/bin/tar"
      )
    )
    await succeeds(here.host.run(["mkdir", `${here.root}/out`]))
    const { code } = await here.redd("copy-out", "--id", "f", "/etc/hostname", `${here.root}/out/`)
    assert.strictEqual(code, 125)
    assert.strictEqual(
      (await succeeds(here.host.run(["find", here.root, "-name", "evil", "-not", "-path", "*/machines/*"]))).stdout,
      ""
    )
    assert.strictEqual((await succeeds(here.host.run(["ls", "-A", `${here.root}/out`]))).stdout, "")
    await succeeds(here.script("f", "mv /usr/bin/tar.away /usr/bin/tar"))
  })

  it("a link that is copied out is a link, and not what it points at on the host", async () => {
    await succeeds(here.script("f", `ln -s ${canaryFile()} /root/link`))
    await succeeds(here.redd("copy-out", "--id", "f", "/root/link", `${here.root}/link`))
    assert.strictEqual((await succeeds(here.host.run(["readlink", `${here.root}/link`]))).stdout, `${canaryFile()}\n`)
  })

  it("links in its tree are not followed by cleanup", async () => {
    await succeeds(
      here.script("f", `ln -s ${here.root} /root/state; ln -sfn / /srv/top; rm -rf /tmp; ln -s ${here.root} /tmp`)
    )
    await succeeds(here.redd("cleanup", "--id", "f"))
    await isAlive()
  })

  it("a link at /etc or /etc/resolv.conf of an image leads into its own tree", async () => {
    const links = `btrfs -q subvolume snapshot "$1/../images/trixie" "$1/images/linked"; cd "$1/images/linked"
      ln -sf ${canaryFile()} etc/resolv.conf; mkdir -p .${here.root}; mv etc .${here.root}/etc; ln -s ${here.root}/etc etc`
    await succeeds(here.host.run(["/bin/sh", "-ec", links, "links", here.root]))
    await succeeds(here.redd("prepare", "--id", "l", "--image", "linked", "--boot", "none"))
    await isAlive()
    await succeeds(here.host.run(["test", "!", "-e", `${here.root}/etc`]))
    await succeeds(here.redd("cleanup", "--id", "l"))
  })
})
