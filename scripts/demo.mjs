// A CI job in a fresh machine, from nothing: what `npm run demo` shows.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync } from "node:fs"

await import("./build.mjs")

const redd = new URL("../bin/redd", import.meta.url).pathname
const root = "/var/cache/redd/demo"
const pool = `${root}.pool.json`
mkdirSync("/var/cache/redd", { recursive: true })
process.env.REDD_ROOT = root
process.env.REDD_ID = `demo ${process.pid}`
process.env.REDD_IMAGE = "demo"
delete process.env.REDD_CONFIG

let failed = false
// Ctrl-C reaches the redd that runs; we go on to clean up.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => (failed = true))
/** Shows a command, runs it, shows its time. */
const step = (title, args, input) => {
  if (failed) return ""
  console.log(
    `\n\u001b[1m${title}\u001b[0m\n$ redd ${args.join(" ")}${input === undefined ? "" : ` <<'END'\n${input}\nEND`}`
  )
  const started = performance.now()
  const { status } = spawnSync(redd, args, {
    stdio: [input === undefined ? "ignore" : "pipe", "inherit", "inherit"],
    input
  })
  console.log(`\u001b[2m  ${((performance.now() - started) / 1000).toFixed(2)} s, exit code ${status}\u001b[0m`)
  if (status !== 0) failed = true
}
const ask = (args) => {
  const { stdout } = spawnSync(redd, args, { encoding: "utf8" })
  try {
    return JSON.parse(stdout)
  } catch {
    return []
  }
}
const unmount = () => {
  if (!existsSync(pool)) return
  const unit = spawnSync("systemd-escape", ["--path", "--suffix=mount", root], { encoding: "utf8" }).stdout.trim()
  if (existsSync(`/etc/systemd/system/${unit}`)) spawnSync("systemctl", ["--quiet", "disable", "--now", unit])
  spawnSync("umount", [root], { stdio: "ignore" })
}

if (process.argv.includes("--clean")) {
  step("Everything that the demo keeps is removed", ["setup", "--remove"])
  spawnSync("rm", ["-rf", "--one-file-system", "--", root])
  process.exit(failed ? 1 : 0)
}

const started = performance.now()
try {
  const backend = existsSync(pool)
    ? "pool"
    : (ask(["doctor", "--json"]).find(({ check }) => check === "backend")?.message ?? "copy")
  if (backend === "pool" || backend.startsWith("copy")) {
    if (backend !== "pool") spawnSync("rm", ["-rf", "--one-file-system", "--", root])
    step("The file system here cannot clone cheaply, so a pool is made, and mounted", ["setup", "--pool", "4G"])
  }
  if (!ask(["image", "list", "--json"]).some(({ name }) => name === "demo")) {
    step("An image, once", ["image", "create", "demo", "--suite", "trixie", "--include", "busybox-static"])
  }
  step("A machine for a job", ["prepare"])
  step(
    "A script that starts a server, and leaves it running",
    ["run", "-"],
    "mkdir -p /srv/www && echo 'hello from a fresh machine' > /srv/www/index.html\nbusybox httpd -f -p 127.0.0.1:8137 -h /srv/www &\nuntil busybox wget -qO- http://127.0.0.1:8137/ >/dev/null; do sleep 0.05; done"
  )
  step(
    "Another that fetches from it",
    ["run", "-"],
    'busybox wget -qO- http://127.0.0.1:8137/\necho "root here is uid $(id -u); on the host it is $(cut -f2 /proc/self/uid_map 2>/dev/null | tr -s " " | cut -d" " -f3)"'
  )
  step("A program with arguments, and our standard input", ["exec", "--", "tr", "a-z", "A-Z"], "what comes in goes out")
  step("What is there", ["list"])
  step("The job is done: the machine goes, and all that it was", ["cleanup"])
  step("Nothing is left", ["list"])
} finally {
  spawnSync(redd, ["cleanup"])
  unmount()
}
console.log(
  `\n${failed ? "The demo failed." : `All of it took ${((performance.now() - started) / 1000).toFixed(1)} s.`} The image is kept in ${root}; npm run demo -- --clean removes it.`
)
process.exit(failed ? 1 : 0)
