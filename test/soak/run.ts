/**
 * `npm run test:soak`: many jobs, many at a time, in a lab: each prepares a machine, runs a script whose code and output
 * are known, and cleans up. Every answer must be right, nothing left, and gc must have nothing to say.
 *
 * `--jobs N` (300), `--at-once N` (20).
 */
import { spawnSync } from "node:child_process"
import { parseArgs } from "node:util"
import { lab, left, type Outcome, state } from "../lab/Lab.ts"
import * as Lab from "../lab/setup.ts"

const { values } = parseArgs({
  options: { jobs: { type: "string", default: "300" }, "at-once": { type: "string", default: "20" } }
})
const jobs = Number(values.jobs)
const atOnce = Number(values["at-once"])

const stages = ["prepare", "run", "cleanup"] as const
type Stage = (typeof stages)[number]
const times: Record<Stage, Array<number>> = { prepare: [], run: [], cleanup: [] }
const failures: Array<string> = []

/** Runs one stage of a job, notes its time, and says whether it answered as it should. */
const stage = async (
  job: number,
  name: Stage,
  act: () => Promise<Outcome>,
  code = 0,
  stdout = ""
): Promise<boolean> => {
  const started = performance.now()
  const outcome = await act()
  times[name].push(performance.now() - started)
  if (outcome.code === code && outcome.stdout === stdout) return true
  failures.push(`job ${job}: ${name}: exit code ${outcome.code}, and not ${code}: ${outcome.stdout}${outcome.stderr}`)
  return false
}

const seconds = (ms: number) => (ms / 1000).toFixed(2)
const row = (name: Stage): string => {
  const sorted = times[name].sort((a, b) => a - b)
  const at = (share: number) => seconds(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  return `| ${name} | ${sorted.length} | ${at(0.5)} | ${at(0.95)} | ${at(1)} |`
}

if (spawnSync(process.execPath, ["scripts/build.mjs"], { stdio: "inherit" }).status !== 0) process.exit(1)
const id = `${process.pid}-${Date.now()}`
const interrupted = new AbortController()
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interrupted.abort())

try {
  process.env["REDD_LAB"] = JSON.stringify(Lab.start(id, ["trixie"]))
  const here = state(lab("trixie"), "btrfs")
  let next = 0
  let right = 0
  const worker = async () => {
    for (let job = next++; job < jobs && !interrupted.signal.aborted; job = next++) {
      const name = `job-${job}`
      const prepared = await stage(job, "prepare", () => here.redd("prepare", "--id", name, "--image", "trixie"))
      const script = `cat /proc/sys/kernel/hostname; echo "answer ${job}"; exit ${job % 8}`
      const ran =
        prepared && (await stage(job, "run", () => here.script(name, script), job % 8, `${name}\nanswer ${job}\n`))
      const cleaned = await stage(job, "cleanup", () => here.redd("cleanup", "--id", name))
      if (ran && cleaned) right++
    }
  }
  console.log(`soak: ${jobs} jobs, ${atOnce} at a time`)
  const started = performance.now()
  await Promise.all(Array.from({ length: atOnce }, worker))
  const total = performance.now() - started
  const stayed = await left(here)
  const gc = await here.redd("gc", "--json")
  console.log("| stage | times | median, s | 95 %, s | worst, s |\n| --- | --- | --- | --- | --- |")
  for (const name of stages) console.log(row(name))
  console.log(`soak: ${right} of ${jobs} right in ${seconds(total)} s (${(jobs / (total / 1000)).toFixed(2)} a second)`)
  for (const failure of failures) console.log(failure)
  for (const line of stayed) console.log(`left: ${line}`)
  const quiet = Object.values(JSON.parse(gc.stdout || "{}")).every((each) => !Array.isArray(each) || each.length === 0)
  if (gc.code !== 0 || !quiet) console.log(`gc: exit code ${gc.code}: ${gc.stdout}${gc.stderr}`)
  process.exitCode = right === jobs && stayed.length === 0 && gc.code === 0 && quiet ? 0 : 1
} finally {
  Lab.stop(id)
}
