/**
 * `npm test`: the build, what can be said without running, unit tests, the lab tests in a lab that is always stopped.
 * `npm run test:vm`: virtual machines. `npm run test:whole`: all that there is.
 */
import { spawn } from "node:child_process"
import type { Suite } from "./lab/Lab.ts"
import * as Lab from "./lab/setup.ts"
import { isWhole } from "./suite/part.ts"

const top = new URL("..", import.meta.url).pathname
const id = `${process.pid}-${Date.now()}`
const wanted = process.env["REDD_LAB_SUITE"]
const isSuite = (suite: string): suite is Suite => ["bookworm", "trixie", "forky"].includes(suite)
const suites: ReadonlyArray<Suite> = wanted === undefined ? ["trixie", "bookworm"] : wanted.split(",").filter(isSuite)
const only = process.argv.slice(2)

let interrupted = false
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => (interrupted = true))

/** Runs under our Node, and says whether that went well. The child has Ctrl-C from the terminal too. */
const node = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}): Promise<boolean> =>
  interrupted
    ? Promise.resolve(false)
    : new Promise((resolve) => {
        const child = spawn(process.execPath, args, {
          stdio: "inherit",
          cwd: top,
          env: { ...process.env, ...environment }
        })
        const pass = () => child.kill("SIGTERM")
        process.on("SIGTERM", pass)
        child.on("exit", (code) => {
          process.off("SIGTERM", pass)
          resolve(code === 0)
        })
      })

const vitest = (project: string, environment?: Readonly<Record<string, string>>) =>
  node(
    ["node_modules/vitest/vitest.mjs", "run", "--config", "test/vitest.config.ts", "--project", project, ...only],
    environment
  )

const labTests = async (): Promise<boolean> => {
  console.log(`lab: starting ${suites.join(" and ")}`)
  try {
    const environment = { REDD_LAB: JSON.stringify(Lab.start(id, suites)) }
    const withOffice = isWhole || only.some((path) => path.includes("office"))
    return (
      (await vitest("lab", environment)) &&
      (await vitest("alone", environment)) &&
      (!withOffice || (await vitest("office", environment)))
    )
  } finally {
    Lab.stop(id)
    console.log("lab: stopped")
  }
}

/** Virtual machines are emulated, and take five minutes: where they are asked for. */
const isForVms = only.length > 0 && only.every((path) => path.startsWith("test/vm"))
const passed =
  (await node(["scripts/build.mjs"])) &&
  (isForVms || ((await node(["test/check.ts"])) && (await vitest("unit")) && (await labTests()))) &&
  (!(isForVms || isWhole) || (await vitest("vm")))
process.exit(passed ? 0 : 1)
