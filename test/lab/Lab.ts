/** What lab tests say: a host, a state folder on it, redd in it, and the question that each test ends with. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync } from "node:fs"
import { assert } from "@effect/vitest"
import { rolldown } from "rolldown"
import { hostPackages, ownHost } from "./setup.ts"

export type Suite = "bookworm" | "trixie" | "forky"
export type Disk = "btrfs" | "xfs" | "disk"

export interface LabFacts {
  readonly folder: string
  readonly leaders: Partial<Record<Suite, number>>
  /** Names in this machine's own folders before the run: whatever they are of, it is not the run's. */
  readonly earlier: ReadonlyArray<string>
}

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const facts = (): LabFacts => {
  const given = process.env["REDD_LAB"]
  if (given === undefined) throw new Error("There is no lab. Lab tests are started by npm test.")
  return JSON.parse(given)
}

/** The suite of the lab that is tested in full. */
export const fullSuite = (): Suite => (Object.keys(facts().leaders) as ReadonlyArray<Suite>)[0] ?? "trixie"

/** The suites that run the smoke tests; where there is one suite only, it runs both. */
export const otherSuites = (): ReadonlyArray<Suite> => {
  const suites = Object.keys(facts().leaders) as ReadonlyArray<Suite>
  return suites.length > 1 ? suites.slice(1) : suites
}

/** A host to test on: a lab, or this machine itself. */
export interface Host {
  readonly name: string
  /** A command on it, to its end. */
  run(command: ReadonlyArray<string>, options?: RunOptions): Promise<Outcome>
  /** The same without waiting. `signal` reaches the command itself. */
  start(command: ReadonlyArray<string>, options?: RunOptions): Running
  /** Where it sees a disk of the lab. */
  disk(name: Disk): string
  /** Where it sees the repository. */
  readonly repository: string
}

export interface RunOptions {
  readonly input?: string | Uint8Array
  readonly environment?: Readonly<Record<string, string>>
}

export interface Running {
  readonly outcome: Promise<Outcome>
  readonly child: ChildProcess
  signal(name: NodeJS.Signals): void
  /** Waits until what it wrote on standard output has this in it. */
  says(wanted: string): Promise<void>
  /** What it has written on standard output. */
  said(): string
}

const repository = new URL("../..", import.meta.url).pathname.replace(/\/$/, "")

const text = (chunks: ReadonlyArray<Buffer>): string => Buffer.concat(chunks).toString("utf8")

const hostOf = (name: string, pid: number | undefined): Host => {
  const enter = pid === undefined ? [] : ["nsenter", "--target", String(pid), "--all", "--root", "--wd", "--"]
  const start = (command: ReadonlyArray<string>, options: RunOptions = {}): Running => {
    const [program = "true", ...args] = [...enter, ...command]
    const environment = { PATH: process.env["PATH"] ?? "", ...options.environment }
    const child = spawn(program, args, { env: environment, stdio: ["pipe", "pipe", "pipe"] })
    const stdout: Array<Buffer> = []
    const stderr: Array<Buffer> = []
    const listeners = new Set<() => void>()
    child.stdout.on("data", (chunk: Buffer) => {
      stdout.push(chunk)
      for (const listener of listeners) listener()
    })
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk))
    child.stdin.on("error", () => undefined)
    child.stdin.end(options.input ?? "")
    const outcome = new Promise<Outcome>((resolve, reject) => {
      child.on("error", reject)
      child.on("close", (code) => resolve({ code: code ?? -1, stdout: text(stdout), stderr: text(stderr) }))
    })
    return {
      outcome,
      child,
      signal: (name) => {
        // nsenter waits for its child and forwards nothing.
        const target =
          pid === undefined
            ? String(child.pid)
            : spawnSync("pgrep", ["-P", String(child.pid)], { encoding: "utf8" }).stdout.trim()
        // It has ended. Zero would be all of us.
        if (target !== "") process.kill(Number(target), name)
      },
      said: () => text(stdout),
      says: (wanted) =>
        new Promise((resolve, reject) => {
          const look = () => {
            if (!text(stdout).includes(wanted)) return
            listeners.delete(look)
            resolve()
          }
          listeners.add(look)
          look()
          void outcome.then(({ stderr: said }) => reject(new Error(`it ended and did not say ${wanted}: ${said}`)))
        })
    }
  }
  return {
    name,
    repository: pid === undefined ? repository : "/redd",
    disk: (disk) => (pid === undefined ? `${facts().folder}/${disk}` : `/srv/${disk}`),
    start,
    run: (command, options) => start(command, options).outcome
  }
}

/** A lab's host. */
export const lab = (suite: Suite): Host => {
  const leader = facts().leaders[suite]
  if (leader === undefined) throw new Error(`the ${suite} lab is not running`)
  return hostOf(suite, leader)
}

/** A host that has nothing but systemd and apt, booted for one test file: what a guide begins with. */
export const bare = (name: string): Host =>
  hostOf(name, ownHost(facts().folder, `${name}-${process.pid}`, "trixie", []))

/** A host as the labs' are, with more packages. A test file has one of each kind. */
export const withPackages = (suite: Suite, ...packages: ReadonlyArray<string>): Host => {
  const name = `${suite}-${packages.join("-")}`
  const host =
    withMore.get(name) ??
    // A machine's name has 64 characters at most.
    hostOf(
      name,
      ownHost(facts().folder, `${suite}-${withMore.size}-${process.pid}`, suite, [...hostPackages, ...packages])
    )
  withMore.set(name, host)
  return host
}

const withMore = new Map<string, Host>()

/** This machine, as it is. */
export const thisMachine = (): Host => hostOf("this machine", undefined)

/** A state folder of a test file's own, with the lab's images. */
export interface State {
  readonly host: Host
  readonly disk: Disk
  readonly root: string
  redd(...args: ReadonlyArray<string>): Promise<Outcome>
  reddWith(options: RunOptions, ...args: ReadonlyArray<string>): Promise<Outcome>
  start(...args: ReadonlyArray<string>): Running
  /** `redd run` of a script from standard input. */
  script(id: string, text: string | Uint8Array, ...flags: ReadonlyArray<string>): Promise<Outcome>
}

let folders = 0

export const state = (host: Host, disk: Disk): State => {
  const name = `state-${process.pid}-${folders++}`
  // From the machine's side, whoever the host is: the disks are its own.
  const outside = `${facts().folder}/${disk}`
  mkdirSync(`${outside}/${name}/images`, { recursive: true })
  for (const image of readdirSync(`${outside}/images`))
    symlinkSync(`../../images/${image}`, `${outside}/${name}/images/${image}`)
  const root = `${host.disk(disk)}/${name}`
  const start = (options: RunOptions, args: ReadonlyArray<string>) =>
    host.start([`${host.repository}/bin/redd`, ...args], {
      ...options,
      environment: { REDD_ROOT: root, ...options.environment }
    })
  return {
    host,
    disk,
    root,
    redd: (...args) => start({}, args).outcome,
    reddWith: (options, ...args) => start(options, args).outcome,
    start: (...args) => start({}, args),
    script: (id, text, ...flags) => start({ input: text }, ["run", "--id", id, ...flags, "-"]).outcome
  }
}

/** An image called `tiny` in a state folder: busybox and nothing else, for machines that are made by the hundred. */
export const tinyImage = ({ host, root }: State): Promise<Outcome> =>
  succeeds(host.run(["/bin/sh", "-ec", makeTiny, "tiny", `${root}/images/tiny`, `${root}/images/bare`]))

const makeTiny = `
[ "$(stat -f -c %T "$2/")" != btrfs ] || btrfs -q subvolume create "$1"
mkdir -p "$1"
cd "$1"
mkdir -p usr/bin usr/lib etc proc sys dev run tmp root var/lib
ln -s usr/bin bin
cp "$2/bin/busybox" usr/bin/
for name in sh cat mkdir setsid echo sleep true false id ls stat kill dd head mkfifo rm mv ln chmod touch env seq tr wc; do
  ln -s busybox "usr/bin/$name"
done
echo ID=tiny >usr/lib/os-release
echo root:x:0:0:root:/root:/bin/sh >etc/passwd
`

let bundles = 0

/** A script of ours as one file that the host of a state can run: unbundled, Effect takes a second to load. */
export const bundled = async ({ disk, host }: State, script: string): Promise<string> => {
  const name = script.replaceAll(/[^a-z]+/g, "-") + ".mjs"
  const file = `${facts().folder}/${disk}/${name}`
  // Another test may be running the one that is there: never half of it.
  const growing = `${file}.${process.pid}-${bundles++}`
  const bundle = await rolldown({ input: `${repository}/${script}`, platform: "node", logLevel: "warn" })
  await bundle.write({ file: growing, format: "esm", minify: true })
  await bundle.close()
  renameSync(growing, file)
  return `${host.disk(disk)}/${name}`
}

/**
 * Runs a shell script in mounts of its own, which has the words that follow as `"$@"`. A lab shares the kernel's
 * parameters with the machine that it is on: nothing in there can set one, but where a test pretends.
 */
export const inMounts = (script: string) => {
  const guard = "mount --rbind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; "
  return ["unshare", "--mount", "/bin/sh", "-ec", guard + script, "around"]
}

/** A shell script that runs `"$@"` where a tool of /usr/bin is missing, to be run in mounts of its own: others use the host. */
export const without = (
  tool: string
): string => `mkdir -p /run/real; mount --bind /usr/bin /run/real; mount -t tmpfs none /usr/bin
PATH=/run/real; for file in /run/real/*; do [ "\${file##*/}" = ${tool} ] || ln -s "$file" /usr/bin/; done; "$@"`

/** Has all of a machine killed from inside, and waits until it is seen to be dead. */
export const die = async (on: State, id: string): Promise<void> => {
  await on.script(id, "kill -KILL -1; sleep 60")
  await until(`${id} is dead`, async () => {
    const rows: ReadonlyArray<{ id: string; state: string }> = JSON.parse((await on.redd("list", "--json")).stdout)
    return rows.some((row) => row.id === id && row.state === "dead")
  })
}

/** Fails with all that was said, where a command did not end with 0. */
export const succeeds = async (outcome: Promise<Outcome>): Promise<Outcome> => {
  const { code, stderr, stdout } = await outcome
  assert.strictEqual(code, 0, `${stdout}\n${stderr}`)
  return { code, stderr, stdout }
}

/** Is anything left on the host? Mounts, units' cgroups, trees, folders, records, leases, what nspawn keeps in /run, and processes of this state folder. */
export const left = async ({ host, root }: State): Promise<ReadonlyArray<string>> => {
  const { code, stderr, stdout } = await host.run(["/bin/sh", "-c", question, "left", root, facts().earlier.join(" ")])
  assert.strictEqual(code, 0, stderr)
  return stdout.split("\n").filter((line) => line !== "")
}

/** Everything that a machine of this state folder could have left, a line each. Keys are found in the state folder's leases and records. */
export const question = `
root=$1 earlier=$2
grep -F " $root/" /proc/self/mountinfo | sed 's/^/mount: /'
ls -A "$root/machines" 2>/dev/null | sed 's/^/folder: /'
ls -A "$root/records" 2>/dev/null | sed 's/^/record: /'
ls -d "$root"/cache/scrap* 2>/dev/null | sed 's/^/scrap: /'
for lease in /run/redd/ranges/*; do
  case $(readlink "$lease") in "$root"/*) echo "lease: $lease";; esac
done
# By standard input: grep itself is one of them.
echo "--directory=$root/" | grep -Falsf - /proc/[0-9]*/cmdline | while read -r file; do
  echo "process: $(tr '\\0' ' ' <"$file")"
done
cgroups=$(sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \\([^ ]*\\) .* - cgroup2 .*/\\1/p' /proc/self/mountinfo | head -n 1)
for path in "$cgroups"/machine.slice/redd-* "$cgroups"/redd/* /run/systemd/nspawn/unix-export/* /run/systemd/nspawn/propagate/*; do
  key=\${path##*/} key=\${key#redd-} key=\${key%.service}
  [ -d "$path" ] && echo "$key" | grep -Eqx '[a-z0-9]{1,20}-[0-9a-f]{16}' || continue
  case " $earlier " in *" \${path##*/} "*) continue;; esac
  case $path in /run/*) kind=nspawn;; *) kind=cgroup;; esac
  # A machine of another state folder has its lease as long as it has a name.
  others=
  for lease in /run/redd/ranges/*; do
    case $(readlink "$lease") in "$root"/*) ;; */records/"$key".json) others=1;; esac
  done
  [ -n "$others" ] || [ ! -d "$path" ] || echo "$kind: $path"
done
exit 0
`

/** The most memory, in KiB, that a process with this in its command line has until the promise is kept. */
export const peakOf = async (words: string, promise: Promise<unknown>): Promise<number> => {
  let peakKb = 0
  const watch = setInterval(() => {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").includes(words)) continue
        peakKb = Math.max(peakKb, Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0))
      } catch {
        // It has just ended.
      }
    }
  }, 50)
  try {
    await promise
  } finally {
    clearInterval(watch)
  }
  assert.isAbove(peakKb, 0)
  return peakKb
}

/** Waits for a condition, with a bound. What costs a start of redd each time is not asked for without a pause. */
export const until = async (
  what: string,
  condition: () => boolean | Promise<boolean>,
  boundMs = 30_000
): Promise<void> => {
  const end = Date.now() + boundMs
  for (let pauseMs = 20; !(await condition()); pauseMs = Math.min(300, pauseMs * 1.3)) {
    if (Date.now() > end) throw new Error(`it did not come to be: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}
