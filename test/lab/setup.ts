/**
 * The lab: Debian trees booted as systemd-nspawn containers, each a host of its own with a real systemd, and state
 * folders on btrfs, xfs and the machine's own disk. Started once for a test run, and always stopped.
 *
 * Everything of one run has the id of the process that started it in its name, so a run that was killed is found and
 * taken away by the next.
 */
import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs"
import type { LabFacts, Suite } from "./Lab.ts"

/** Outside the repository, kept between runs; a tree's name says what it is made of. */
const cache = "/var/cache/redd/lab"
const runs = "/var/tmp"
const prefix = "redd-lab-"

export const hostPackages = [
  "systemd",
  "systemd-sysv",
  "dbus",
  "systemd-container",
  "btrfs-progs",
  "xfsprogs",
  "e2fsprogs",
  "iproute2",
  "procps",
  "libpam-systemd"
]
export const imagePackages = {
  trixie: ["systemd", "systemd-sysv", "dbus", "busybox-static"],
  bare: ["busybox-static"],
  /** For jobs that clone a repository; on btrfs alone. */
  git: ["systemd", "systemd-sysv", "dbus", "git"],
  /** For playbooks; not on xfs. */
  python: ["systemd", "systemd-sysv", "dbus", "python3"]
}

/** What hosts that maintain images have beside the labs' packages. */
export const ansibleHosts = { "ansible-core": ["ansible-core", "mmdebstrap", "strace"], ansible: ["ansible"] } as const
/** What a host has whose users have a systemd of their own. */
export const userPackages = ["dbus-user-session"] as const
/** For a test that `npm test` leaves out: its host is made when it is asked for. */
export const officePackages = ["libreoffice-impress"] as const

export const call = (command: string, ...args: ReadonlyArray<string>): string => {
  const { status, stderr, stdout } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 2 ** 26 })
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed (${status}): ${stderr}`)
  return stdout
}

/** The tree of a Debian suite with these packages, and this script as its /vm, made once. */
export const tree = (kind: string, suite: string, packages: ReadonlyArray<string>, script = ""): string => {
  const key = createHash("sha256")
    .update([suite, ...packages, script].join(" "))
    .digest("hex")
    .slice(0, 12)
  const path = `${cache}/${kind}-${suite}-${key}`
  if (existsSync(path)) return path
  console.log(`lab: making ${kind} tree of ${suite}, once`)
  mkdirSync(cache, { recursive: true })
  const growing = `${path}.${process.pid}`
  // A suite that still moves has a Release file that expires, and a mirror may be older than that.
  const freshness = suite === "forky" ? ['--aptopt=Acquire::Check-Valid-Until "false"'] : []
  try {
    call("mmdebstrap", "--variant=minbase", ...freshness, `--include=${packages.join(",")}`, suite, growing)
  } catch (cause) {
    rmSync(growing, { recursive: true, force: true })
    throw cause
  }
  if (script !== "") writeFileSync(`${growing}/vm`, script, { mode: 0o755 })
  renameSync(growing, path)
  return path
}

const cgroups = (): string => {
  const line = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .find((mount) => mount.includes(" - cgroup2 "))
  const path = line?.split(" ")[4]
  if (path === undefined) throw new Error("no cgroup2 is mounted; mount -t cgroup2 none /sys/fs/cgroup")
  return path
}

/** SIGKILL to all in a cgroup, if there is one. */
const kill = (cgroup: string): void => {
  if (existsSync(cgroup)) writeFileSync(`${cgroup}/cgroup.kill`, "1")
}

/** One for all labs: 128 on a stock kernel, and each booted systemd takes several. */
const instances = "/proc/sys/fs/inotify/max_user_instances"
const enoughInstances = 8192

/** What runs have noted that there was before the first of those that run. */
const notedInstances = (): ReadonlyArray<string> =>
  readdirSync(runs)
    .filter((name) => name.startsWith(prefix))
    .map((name) => `${runs}/${name}/instances`)
    .filter((path) => existsSync(path))

/** Has a run have enough inotify instances. */
const raiseInstances = (folder: string): void => {
  const [earlier = instances] = notedInstances()
  const before = readFileSync(earlier, "utf8")
  writeFileSync(`${folder}/instances`, before)
  if (Number(before) < enoughInstances) writeFileSync(instances, String(enoughInstances))
}

/** The last run puts them back; of two that end at once, both do. */
const restoreInstances = (folder: string): void => {
  if (!existsSync(`${folder}/instances`)) return
  const before = readFileSync(`${folder}/instances`, "utf8")
  rmSync(`${folder}/instances`)
  if (notedInstances().length === 0) writeFileSync(instances, before)
}

/** Kills all that a run started, unmounts and deletes all that it made. Absent is a success. */
export const stop = (id: string): void => {
  const cgroup = `${cgroups()}/${prefix}${id}`
  if (existsSync(cgroup)) {
    const isPopulated = () => /^populated 1$/m.test(readFileSync(`${cgroup}/cgroup.events`, "utf8"))
    // The payloads first: a systemd-nspawn that sees its machine end takes its own things out of /run.
    for (const suite of readdirSync(cgroup)) kill(`${cgroup}/${suite}/payload`)
    for (let tries = 0; isPopulated() && tries < 60; tries++) spawnSync("sleep", ["0.05"])
    kill(cgroup)
    while (isPopulated()) spawnSync("sleep", ["0.05"])
    const folders = readdirSync(cgroup, { recursive: true, withFileTypes: true }).filter((entry) => entry.isDirectory())
    const paths = folders.map((entry) => `${entry.parentPath}/${entry.name}`).sort((a, b) => b.length - a.length)
    for (const path of [...paths, cgroup]) rmdirSync(path)
  }
  const folder = `${runs}/${prefix}${id}`
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .flatMap((line) => line.split(" ")[4] ?? [])
  for (const mount of mounts.filter((path) => path.startsWith(`${folder}/`)).reverse()) call("umount", mount)
  restoreInstances(folder)
  // What was mounted is unmounted: only then may anything be deleted. A test that failed may have left a file immutable.
  spawnSync("chattr", ["-R", "-f", "-i", folder])
  rmSync(folder, { recursive: true, force: true })
}

/** Takes away what killed runs left. */
const sweep = (): void => {
  const left = [...readdirSync(runs), ...readdirSync(cgroups())].filter((name) => name.startsWith(prefix))
  for (const id of new Set(left.map((name) => name.slice(prefix.length)))) {
    if (!existsSync(`/proc/${id.split("-")[0]}`)) stop(id)
  }
}

const makeStateFolders = (folder: string, size: string): void => {
  const images = {
    trixie: tree("image", "trixie", imagePackages.trixie),
    bare: tree("image-bare", "trixie", imagePackages.bare)
  }
  const python = tree("image-python", "trixie", imagePackages.python)
  for (const [name, format] of [
    ["btrfs", "mkfs.btrfs"],
    ["xfs", "mkfs.xfs"]
  ] as const) {
    mkdirSync(`${folder}/${name}`)
    call("truncate", `--size=${size}`, `${folder}/${name}.img`)
    call(format, "-q", `${folder}/${name}.img`)
    call("mount", "-o", "loop", `${folder}/${name}.img`, `${folder}/${name}`)
    mkdirSync(`${folder}/${name}/images`)
    const here = name === "btrfs" ? { ...images, python, git: tree("image-git", "trixie", imagePackages.git) } : images
    for (const [image, path] of Object.entries(here)) {
      const target = `${folder}/${name}/images/${image}`
      if (name === "btrfs") call("btrfs", "-q", "subvolume", "create", target)
      else mkdirSync(target)
      call("cp", "-a", `${path}/.`, target)
    }
  }
  mkdirSync(`${folder}/disk/images`, { recursive: true })
  for (const [image, path] of Object.entries({ ...images, python }))
    call("cp", "-a", "--reflink=auto", path, `${folder}/disk/images/${image}`)
}

const ownTree = (suite: Suite, packages: ReadonlyArray<string>): string =>
  tree("host-own", suite, ["systemd", "systemd-sysv", "dbus", "iproute2", ...packages])

/** Trees that tests boot as hosts of their own: made before, since a test has little time for that. */
const makeOwnTrees = (suites: ReadonlyArray<Suite>): void => {
  ownTree("trixie", [])
  for (const suite of suites.slice(0, 1)) ownTree(suite, [...hostPackages, ...userPackages])
  for (const suite of suites)
    for (const packages of Object.values(ansibleHosts)) ownTree(suite, [...hostPackages, ...packages])
}

/** A host of a run's own, which has nothing but systemd, apt and these packages. It ends with the run. */
export const ownHost = (folder: string, name: string, suite: Suite, packages: ReadonlyArray<string>): number => {
  const host = ownTree(suite, packages)
  return boot(folder.slice(`${runs}/${prefix}`.length), folder, name, host)
}

/** Boots one host and waits until its systemd has come up. */
const boot = (id: string, folder: string, suite: string, host: string): number => {
  const cgroup = `${cgroups()}/${prefix}${id}/${suite}`
  mkdirSync(cgroup, { recursive: true })
  const script = `echo 0 > ${cgroup}/cgroup.procs; exec "$@" </dev/null >${folder}/${suite}.console 2>&1`
  const nspawn = [
    "systemd-nspawn",
    "--register=no",
    "--keep-unit",
    "--volatile=overlay",
    `--machine=${prefix}${id}-${suite}`,
    `--directory=${host}`,
    "--capability=all",
    ...["btrfs", "xfs", "disk"].map((name) => `--bind=${folder}/${name}:/srv/${name}`),
    `--bind-ro=${new URL("../..", import.meta.url).pathname}:/redd`,
    "--boot"
  ]
  const environment = {
    SYSTEMD_NSPAWN_API_VFS_WRITABLE: "yes",
    SYSTEMD_SECCOMP: "0",
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1"
  }
  spawn("/bin/sh", ["-c", script, "lab", ...nspawn], {
    detached: true,
    stdio: "ignore",
    env: { ...process.env, ...environment }
  }).unref()
  for (let tries = 0; tries < 600; tries++) {
    const leader = findLeader(cgroup)
    if (leader !== undefined) {
      const { stdout } = spawnSync(
        "nsenter",
        ["-t", String(leader), "-a", "-r", "-w", "systemctl", "is-system-running"],
        { encoding: "utf8" }
      )
      // Degraded: systemd-modules-load has no modules here.
      if (/^(running|degraded)/.test(stdout)) {
        call("nsenter", "-t", String(leader), "-a", "-r", "-w", "/bin/sh", "-ec", loopDevices)
        return leader
      }
    }
    spawnSync("sleep", ["0.1"])
  }
  throw new Error(
    `the ${suite} lab did not come up:\n${readFileSync(`${folder}/${suite}.console`, "utf8").slice(-2000)}`
  )
}

/** Pools are on loop devices, whose nodes nspawn does not make (Documentation/admin-guide/devices.txt of the kernel). */
const loopDevices = `mknod -m 600 /dev/loop-control c 10 237
for n in $(seq 0 63); do mknod -m 600 /dev/loop$n b 7 $n; done`

const findLeader = (cgroup: string): number | undefined => {
  const path = `${cgroup}/payload/init.scope/cgroup.procs`
  const pid = existsSync(path) ? Number(readFileSync(path, "utf8").split("\n")[0]) : 0
  return pid > 0 ? pid : undefined
}

/** Starts the lab of a run, with disks of this size. What it gives goes to the tests as REDD_LAB. */
export const start = (id: string, suites: ReadonlyArray<Suite>, size = "8G"): LabFacts => {
  sweep()
  const folder = `${runs}/${prefix}${id}`
  mkdirSync(folder, { recursive: true })
  raiseInstances(folder)
  makeOwnTrees(suites)
  makeStateFolders(folder, size)
  const places = [
    "/run/systemd/nspawn/propagate",
    "/run/systemd/nspawn/unix-export",
    `${cgroups()}/redd`,
    `${cgroups()}/machine.slice`
  ]
  const earlier = places.filter((path) => existsSync(path)).flatMap((path) => readdirSync(path))
  return {
    folder,
    earlier,
    leaders: Object.fromEntries(
      suites.map((suite) => [suite, boot(id, folder, suite, tree("host", suite, hostPackages))])
    )
  }
}
