/** `npm test`: the build, what can be said without running, unit tests, the lab tests in a lab that is always stopped, and VMs. */
import { spawn } from "node:child_process"
import type { Suite } from "./lab/Lab.ts"
import * as Lab from "./lab/setup.ts"

const top = new URL("..", import.meta.url).pathname
const id = `${process.pid}-${Date.now()}`
const wanted = process.env["REDD_LAB_SUITE"]
const isSuite = (suite: string): suite is Suite => ["bookworm", "trixie", "forky"].includes(suite)
const suites: ReadonlyArray<Suite> = wanted === undefined ? ["trixie", "bookworm"] : wanted.split(",").filter(isSuite)
const only = process.argv.slice(2)

let interrupted = false
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => (interrupted = true))

interface Options {
  readonly environment?: Readonly<Record<string, string>>
  /** Behind all others: it takes what they leave of the processors, and what it says comes once it has ended. */
  readonly behind?: boolean
}

/** Runs under our Node, and says whether that went well. The child has Ctrl-C from the terminal too. */
const node = (args: ReadonlyArray<string>, { behind = false, environment = {} }: Options = {}): Promise<boolean> =>
  interrupted
    ? Promise.resolve(false)
    : new Promise((resolve) => {
        const [program, words] = behind
          ? ["/bin/sh", ["-c", stepBack, "behind", process.execPath, ...args]]
          : [process.execPath, args]
        const child = spawn(program, words, {
          stdio: behind ? ["ignore", "pipe", "pipe"] : "inherit",
          detached: behind,
          cwd: top,
          env: { ...process.env, ...environment }
        })
        const said: Array<Buffer> = []
        for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => said.push(chunk))
        const pass = () => child.kill("SIGTERM")
        // In a session of its own, it has no Ctrl-C from the terminal.
        const signals = behind ? (["SIGTERM", "SIGINT", "SIGHUP"] as const) : (["SIGTERM"] as const)
        for (const signal of signals) process.on(signal, pass)
        child.on("close", (code) => {
          for (const signal of signals) process.off(signal, pass)
          process.stdout.write(Buffer.concat(said))
          resolve(code === 0)
        })
      })

/** A session is scheduled as one (sched(7), autogroups): niceness within it is nothing to others. */
const stepBack = '[ ! -w /proc/self/autogroup ] || echo 19 >/proc/self/autogroup; exec nice -n 19 "$@"'

const vitest = (project: string, options?: Options) =>
  node(
    ["node_modules/vitest/vitest.mjs", "run", "--config", "test/vitest.config.ts", "--project", project, ...only],
    options
  )

const labTests = async (): Promise<boolean> => {
  console.log(`lab: starting ${suites.join(" and ")}`)
  try {
    const environment = { REDD_LAB: JSON.stringify(Lab.start(id, suites)) }
    return (await vitest("lab", { environment })) && (await vitest("alone", { environment }))
  } finally {
    Lab.stop(id)
    console.log("lab: stopped")
  }
}

/** The VMs are emulated, and nothing in them is in a hurry: they use what the lab tests do not. */
const labsAndVms = async (): Promise<boolean> => {
  const vms = vitest("vm", { behind: true })
  const labs = await labTests()
  return (await vms) && labs
}

const passed =
  (await node(["scripts/build.mjs"])) &&
  (await node(["test/check.ts"])) &&
  (await vitest("unit")) &&
  (await labsAndVms())
process.exit(passed ? 0 : 1)
