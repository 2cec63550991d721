/** How fast output passes through redd, and how much memory that takes. */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { Machine } from "../../src/index.ts"
import { call } from "./Command.ts"
import { type Figure, figure, type Section } from "./Figures.ts"
import { timed } from "./Race.ts"
import { idOf, type Redd } from "./Redd.ts"

/** The most memory that a process had in RAM, in MB (proc_pid_status(5), VmHWM), looked at until it ended. */
const peakOf = (command: ReadonlyArray<string>): Promise<number> =>
  new Promise((resolve) => {
    const [program = "true", ...args] = command
    const child = spawn(program, args, { stdio: "ignore" })
    let peak = 0
    const look = setInterval(() => {
      try {
        const found = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))
        peak = Math.max(peak, Number(found?.[1] ?? 0) / 1000)
      } catch {
        // It has just ended.
      }
    }, 10)
    child.on("close", () => {
      clearInterval(look)
      resolve(peak)
    })
  })

export const output = async (state: Redd, megabytes: number): Promise<Section> => {
  const id = idOf("output")
  const record = await state.run(Machine.acquire({ id, image: "settled" }))
  const writes = ["head", "-c", `${megabytes * 1e6}`, "/dev/zero"]
  const redd = state.words("exec", "--id", id, "--", ...writes)
  const raw = ["systemd-run", `--machine=${record.key}`, "--quiet", "--pipe", "--wait", ...writes]
  const speed = async (name: string, command: ReadonlyArray<string>, to: string): Promise<Figure> => {
    const took = await timed(() => call("/bin/sh", "-c", `"$@" ${to}`, "speed", ...command))
    return figure(name, "MB/s", [(megabytes / took) * 1000])
  }
  const figures = [
    await speed(`redd exec, ${megabytes} MB to /dev/null`, redd, ">/dev/null"),
    await speed(`redd exec, ${megabytes} MB to a pipe`, redd, "| cat >/dev/null"),
    await speed(`systemd-run --pipe, ${megabytes} MB to a pipe`, raw, "| cat >/dev/null"),
    figure("redd exec, peak memory with such output", "MB", [await peakOf(redd)]),
    figure("redd exec, peak memory of sleep 1", "MB", [
      await peakOf(state.words("exec", "--id", id, "--", "sleep", "1"))
    ])
  ]
  await state.run(Machine.release(id))
  return { title: "Output and memory", figures }
}
