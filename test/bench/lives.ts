/** What a machine costs, from nothing to ready and back: on each backend, and by the commands of a shell script. */
import { Machine, type MachineRecord } from "../../src/index.ts"
import type { Section } from "./Figures.ts"
import { type Life, raceLives } from "./Race.ts"
import * as Raw from "./Raw.ts"
import { idOf, type Redd } from "./Redd.ts"

const byCommand = (state: Redd, image: string, name: string, ...flags: ReadonlyArray<string>): Life => ({
  begin: {
    name: `redd prepare${name}`,
    run: () => state.command("prepare", "--id", "life", "--image", image, ...flags)
  },
  end: { name: `redd cleanup${name}`, run: () => state.command("cleanup", "--id", "life") }
})

/** On btrfs, against the raw commands on the same tree unsettled. */
export const lives = async (state: Redd, unsettled: string, rounds: number): Promise<Section> => {
  const tree = `${state.root}/raw`
  const id = idOf("life by the SDK")
  const figures = await raceLives(rounds, [
    {
      begin: { name: "raw prepare, image unsettled", run: () => Raw.prepare("raw-life", unsettled, tree) },
      end: { name: "raw cleanup", run: () => Raw.cleanup("raw-life", tree) }
    },
    byCommand(state, "settled", ""),
    {
      begin: { name: "SDK acquire", run: () => state.run(Machine.acquire({ id, image: "settled" })) },
      end: { name: "SDK release", run: () => state.run(Machine.release(id)) }
    }
  ])
  return { title: "A machine, btrfs", figures }
}

export const backends = async (
  places: ReadonlyArray<{ readonly state: Redd; readonly backend: MachineRecord.BackendName; readonly disk: string }>,
  rounds: number
): Promise<Section> => ({
  title: "A machine on each backend",
  figures: await raceLives(
    rounds,
    places.map(({ backend, disk, state }) =>
      byCommand(state, "settled", `, ${backend} on ${disk}`, "--backend", backend)
    )
  )
})
