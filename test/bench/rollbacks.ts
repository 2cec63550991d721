/** What it takes to go back to an earlier generation, whatever the image's size: beside the rename that it is at heart. */
import type { Section } from "./Figures.ts"
import { call } from "./Command.ts"
import { race } from "./Race.ts"
import { addImage, type Redd } from "./Redd.ts"

export const rollbacks = async (state: Redd, place: string, tree: string, rounds: number): Promise<Section> => {
  const name = "rolled"
  const stamps: Array<string> = []
  for (let time = 0; time < 2; time++) {
    const { generation } = await addImage(state, name, tree, "next")
    stamps.push(generation.slice(generation.lastIndexOf("/") + 1))
  }
  const images = `${state.root}/images`
  /** Each goes to the one that is not the current one. */
  let turn = 1
  const other = () => stamps[++turn % 2] ?? ""
  const figures = await race(rounds, [
    { name: `${place}: raw link and rename`, run: () => call("/bin/sh", "-ec", raw, images, name, other()) },
    {
      name: `${place}: redd image rollback`,
      run: () => state.command("image", "rollback", "--to", other(), name)
    }
  ])
  return { title: `Going back to an earlier generation, ${place}`, figures }
}

const raw = 'cd "$0"; ln -s ".generations/$1/$2" "$1.new"; mv -T "$1.new" "$1"; sync --file-system .'
