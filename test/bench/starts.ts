/** What one command in a machine costs: by the command redd, from a process that runs already, and by systemd-run. */
import { writeFileSync } from "node:fs"
import { Exec, Machine } from "../../src/index.ts"
import { call } from "./Command.ts"
import type { Section } from "./Figures.ts"
import { race } from "./Race.ts"
import { idOf, node, type Redd } from "./Redd.ts"

export const starts = async (state: Redd, rounds: number): Promise<Section> => {
  const id = idOf("starts")
  const record = await state.run(Machine.acquire({ id, image: "settled" }))
  const script = `${state.root}/true.sh`
  writeFileSync(script, "true\n")
  const words = { _tag: "Words", words: ["true"] } as const
  const execTrue = () => state.run(Exec.collect(record, words, { mostBytes: 1000 }))
  // A process that has run for a while has compiled what it runs.
  for (let round = 0; round < 100; round++) await execTrue()
  const figures = await race(rounds, [
    { name: "node -e 0", run: () => call(node, "-e", "0") },
    { name: "redd run, a trivial script", run: () => call(...state.words("run", "--id", id, script)) },
    {
      name: "redd gitlab run, a trivial stage",
      run: () => call("env", `REDD_GITLAB_ID=${id}`, ...state.words("gitlab", "run", script, "build_script"))
    },
    { name: "redd exec true", run: () => call(...state.words("exec", "--id", id, "--", "true")) },
    { name: "SDK exec true", run: execTrue },
    {
      name: "systemd-run --machine --pipe --wait true",
      run: () => call("systemd-run", `--machine=${record.key}`, "--quiet", "--pipe", "--wait", "true")
    }
  ])
  await state.run(Machine.release(id))
  return { title: "A command in a machine", figures }
}
