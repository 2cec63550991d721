/** What a root costs to make and to take away, for images of several sizes: the backend's step alone. */
import { mkdirSync } from "node:fs"
import * as Effect from "effect/Effect"
import { Backends, type MachineRecord, Machine, Tree } from "../../src/index.ts"
import { call } from "./Command.ts"
import type { Section } from "./Figures.ts"
import { raceLives } from "./Race.ts"
import { addImage, idOf, type Redd } from "./Redd.ts"

/** Grows a tree to a size: 256 files whose blocks are allocated. */
const grow = (tree: string, gigabytes: number): void => {
  const files = 256
  const bytes = Math.round((gigabytes * 1e9) / files)
  const script = `mkdir "$1/var/ballast"; for n in $(seq ${files}); do fallocate --length ${bytes} "$1/var/ballast/$n"; done`
  call("/bin/sh", "-ec", script, "grow", tree)
}

/** Images of these sizes, each a settled tree and ballast. */
export const addSizes = async (state: Redd, tree: string, sizes: ReadonlyArray<number>): Promise<void> => {
  for (const size of sizes) grow((await addImage(state, nameOf(size), tree)).generation, size)
}

const nameOf = (size: number) => `size-${size}`

export const clones = async (
  state: Redd,
  backend: MachineRecord.BackendName,
  sizes: ReadonlyArray<number>,
  rounds: number
): Promise<Section> => {
  // The record of a machine that was, with another generation: the steps of a backend need no more.
  const id = idOf(`clone ${backend}`)
  const template = await state.run(Machine.acquire({ id, image: "settled", backend, boot: "none" }))
  await state.run(Machine.release(id))
  const { make, unmake } = Backends.of(template)
  const folder = `${state.root}/machines/${template.key}`
  mkdirSync(folder)
  const figures = await raceLives(
    rounds,
    sizes.map((size) => {
      const record = { ...template, generation: `${state.root}/images/${nameOf(size)}` }
      const resolved = { ...record, generation: call("readlink", "-f", record.generation).trim() }
      return {
        begin: { name: `${backend}: clone ${size} GB`, run: () => state.run(make(resolved)) },
        end: { name: `${backend}: delete a clone of ${size} GB`, run: () => state.run(unmake(resolved)) }
      }
    })
  )
  await state.run(Effect.andThen(unmake(template), Tree.remove(folder)))
  return { title: `Cloning an image, ${backend}`, figures }
}
