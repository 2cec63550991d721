/** Commands of the lab's host. */
import { spawn, spawnSync } from "node:child_process"

const environment = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8" }

/** Runs one to its end; fails with what it said where that was no success. */
export const call = (...command: ReadonlyArray<string>): string => {
  const [program = "true", ...args] = command
  const { status, stderr, stdout } = spawnSync(program, args, { encoding: "utf8", env: environment })
  if (status !== 0) throw new Error(`${command.join(" ")} failed (${status}): ${stderr}`)
  return stdout
}

/** The same, beside others: whether it succeeded, and what it said. */
export const start = (...command: ReadonlyArray<string>): Promise<{ readonly ok: boolean; readonly said: string }> =>
  new Promise((resolve) => {
    const [program = "true", ...args] = command
    const child = spawn(program, args, { env: environment, stdio: ["ignore", "ignore", "pipe"] })
    let said = ""
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text))
    child.on("close", (code) => resolve({ ok: code === 0, said }))
  })

/** Waits for a condition, looking often: what is waited for here is measured. */
export const until = async (condition: () => boolean): Promise<void> => {
  for (const end = performance.now() + 60_000; !condition();) {
    if (performance.now() > end) throw new Error(`it did not come to be within a minute: ${condition.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
