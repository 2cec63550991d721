/**
 * What runs on the lab's host: everything is measured beside what it is compared with. Progress on standard error, the
 * sections as lines of JSON on standard output.
 */
import { addSizes, clones } from "./clones.ts"
import { crowds } from "./crowds.ts"
import type { Section } from "./Figures.ts"
import { backends, lives } from "./lives.ts"
import { output } from "./output.ts"
import { addImage, redd } from "./Redd.ts"
import { rollbacks } from "./rollbacks.ts"
import { starts } from "./starts.ts"

const { only, quick }: { readonly only: string; readonly quick: boolean } = JSON.parse(process.argv[2] ?? "{}")

const btrfs = redd("/srv/btrfs/bench")
const disk = redd("/srv/disk/bench")
const xfs = redd("/srv/xfs/bench")
/** The lab's image, as its bootstrap left it. */
const unsettled = "/srv/btrfs/images/trixie"
for (const state of [btrfs, disk, xfs]) await addImage(state, "settled", unsettled)

const sizes = quick ? [0.25, 8] : [0.25, 2, 8]
const places = [
  { state: btrfs, backend: "btrfs", disk: "btrfs" },
  { state: disk, backend: "overlay", disk: "ext4" },
  { state: disk, backend: "tmpfs", disk: "ext4" },
  { state: xfs, backend: "reflink", disk: "xfs" },
  { state: disk, backend: "copy", disk: "ext4" }
] as const

/** By the name that --only takes. */
const benches: Readonly<Record<string, () => Promise<ReadonlyArray<Section>>>> = {
  starts: async () => [await starts(btrfs, quick ? 15 : 41)],
  lives: async () => [await lives(btrfs, unsettled, quick ? 7 : 41)],
  backends: async () => [await backends(places, quick ? 1 : 5)],
  clones: async () => {
    await addSizes(btrfs, unsettled, sizes)
    await addSizes(disk, unsettled, sizes)
    await addSizes(xfs, unsettled, [0.25])
    const rounds = quick ? 15 : 25
    return [
      await clones(btrfs, "btrfs", sizes, rounds),
      await clones(disk, "overlay", sizes, rounds),
      await clones(xfs, "reflink", [0.25], 3),
      await clones(disk, "copy", [0.25], 3)
    ]
  },
  rollbacks: async () => [
    await rollbacks(btrfs, "btrfs", unsettled, quick ? 3 : 11),
    await rollbacks(disk, "overlay", unsettled, quick ? 3 : 11)
  ],
  crowds: async () => [await crowds(btrfs, quick ? [20] : [20, 60])],
  output: async () => [await output(btrfs, quick ? 500 : 2000)]
}

for (const [name, bench] of Object.entries(benches)) {
  if (only !== "" && !only.split(",").includes(name)) continue
  const started = performance.now()
  for (const section of await bench()) console.log(JSON.stringify(section))
  console.error(`bench: ${name}, ${((performance.now() - started) / 1000).toFixed(0)} s`)
}
process.exit(0)
