/** A tree by any command that can make one, such as dnf(8) with `--installroot`. */
import * as Effect from "effect/Effect"
import * as Tool from "../../host/Tool.ts"
import { type Bootstrap, BootstrapFailed } from "../Bootstrap.ts"

export interface Options {
  /** The command; `{root}` stands for the tree wherever it occurs. */
  readonly words: ReadonlyArray<string>
  /** The folder to run it in, which a command with a slash in its name is relative to. */
  readonly folder: string
}

export const command = ({ folder, words }: Options): Bootstrap => {
  const description = `the command ${words[0] ?? ""}`
  return {
    description,
    fill: (tree, { environment, progress }) =>
      Effect.gen(function* () {
        const [first, ...args] = words.map((word) => word.replaceAll("{root}", tree))
        if (first === undefined)
          return yield* new BootstrapFailed({
            bootstrap: "a command",
            reason: "it has no words",
            remedy: 'write one: command: [dnf, --installroot, "{root}", …]'
          })
        const tool = first.includes("/") && !first.startsWith("/") ? `${folder}/${first}` : first
        yield* Tool.ensure(tool)
        yield* Tool.run(tool, args, { folder, environment, progress, enclosed: true })
      })
  }
}
