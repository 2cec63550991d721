/** What every backend does, whoever holds the machine's processes. Run for each by test/lab/backends.test.ts. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { left, type State, state, type Host, type Disk, succeeds } from "../lab/Lab.ts"

export interface Subject {
  readonly backend: "btrfs" | "overlay" | "reflink" | "copy" | "tmpfs"
  readonly engine: "managed" | "standalone"
  readonly host: () => Host
  readonly disk: Disk
}

/** Each backend, on a disk of the lab's where it works. */
export const places = [
  { backend: "btrfs", disk: "btrfs" },
  { backend: "overlay", disk: "disk" },
  { backend: "reflink", disk: "xfs" },
  { backend: "copy", disk: "disk" },
  { backend: "tmpfs", disk: "disk" }
] as const satisfies ReadonlyArray<Omit<Subject, "engine" | "host">>

export const backendSuite = ({ backend, disk, engine, host }: Subject): void => {
  describe(`${backend} on ${disk}, ${engine} engine`, () => {
    let here: State
    const flags = ["--backend", backend, "--engine", engine]
    const prepare = (id: string, ...more: ReadonlyArray<string>) =>
      here.redd("prepare", "--id", id, "--image", "trixie", ...flags, ...more)

    beforeAll(async () => {
      here = state(host(), disk)
      await succeeds(prepare("one"))
    })
    afterAll(async () => {
      await here.redd("cleanup", "--id", "one")
      assert.deepStrictEqual(await left(here), [])
    })

    it("is the backend and the engine that were asked for", async () => {
      const { stdout } = await succeeds(here.redd("list", "--json"))
      const [machine] = JSON.parse(stdout)
      assert.strictEqual(machine.backend, backend)
      assert.strictEqual(machine.engine, engine)
      assert.strictEqual(machine.state, "running")
    })

    it("a run starts a server, and the next fetches from it", async () => {
      const port = 18_000 + Math.floor(Math.random() * 10_000)
      const server = `mkdir /srv/www; echo fetched >/srv/www/index.html; busybox httpd -f -p 127.0.0.1:${port} -h /srv/www & until busybox wget -qO- http://127.0.0.1:${port}/ >/dev/null; do sleep 0.05; done`
      await succeeds(here.script("one", server))
      const { stdout } = await succeeds(here.script("one", `busybox wget -qO- http://127.0.0.1:${port}/`))
      assert.strictEqual(stdout, "fetched\n")
    })

    it("root inside is uid 0, owns the tree, and is nobody on the host", async () => {
      const { stdout } = await succeeds(
        here.script("one", "id -u; stat -c %u / /etc/passwd /bin/sh; exec 9>/dev/null; echo $$")
      )
      assert.strictEqual(stdout.split("\n").slice(0, 4).join(" "), "0 0 0 0")
      const seen = await succeeds(
        here.host.run([
          "/bin/sh",
          "-c",
          'for p in $(cat $(find "$1" -path "*$2*payload*" -name cgroup.procs)); do stat -c %u /proc/$p; done | sort -u',
          "uids",
          await cgroups(here),
          await keyOf(here, "one")
        ])
      )
      const uids = seen.stdout.trim().split("\n").map(Number)
      assert.isAbove(uids.length, 0)
      for (const uid of uids) assert.isAtLeast(uid, 524_288)
    })

    it("what a machine writes stays its own: the image is as before", async () => {
      await succeeds(here.script("one", "echo mine >/etc/mark; rm /etc/hostname; chmod 0700 /opt"))
      await succeeds(prepare("two", "--boot", "none"))
      const { stdout } = await succeeds(here.script("two", "ls /etc/mark 2>&1; stat -c %a /opt"))
      assert.match(stdout, /No such file[^]*\n755\n/)
      await succeeds(here.redd("cleanup", "--id", "two"))
    })

    it("immutable files, closed folders and names with newlines do not outlive it", async () => {
      await succeeds(prepare("three", "--boot", "none"))
      await succeeds(
        here.script(
          "three",
          'mkdir -p /srv/d/e; chmod 0 /srv/d/e; chmod 0555 /srv/d; touch "/srv/a\nb"; touch /srv/fixed; chmod 0555 /srv; :'
        )
      )
      // Root in a machine may not (no CAP_LINUX_IMMUTABLE); whoever may on the host does it here.
      const fixed = `${here.root}/machines/${await keyOf(here, "three")}/root/srv/fixed`
      await succeeds(here.host.run(["chattr", "+i", fixed]))
      assert.strictEqual((await here.host.run(["rm", "-f", fixed])).code, 1)
      await succeeds(here.redd("cleanup", "--id", "three"))
      assert.notInclude((await left(here)).join("\n"), "three")
    })
  })
}

const keyOf = async (here: State, id: string): Promise<string> => {
  const { stdout } = await succeeds(here.redd("list", "--json"))
  return JSON.parse(stdout).find((machine: { id: string }) => machine.id === id).machine
}

const cgroups = async ({ host }: State): Promise<string> =>
  (
    await succeeds(host.run(["findmnt", "--noheadings", "--first-only", "--types", "cgroup2", "--output", "TARGET"]))
  ).stdout.trim()
