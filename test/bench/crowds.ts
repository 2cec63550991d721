/** Many machines at once. */
import { type Figure, figure, type Section } from "./Figures.ts"
import { start } from "./Command.ts"
import { timed } from "./Race.ts"
import type { Redd } from "./Redd.ts"

export const crowds = async (state: Redd, sizes: ReadonlyArray<number>): Promise<Section> => {
  const figures: Array<Figure> = []
  for (const size of sizes) {
    const ids = Array.from({ length: size }, (_, index) => `crowd-${index}`)
    let ready = 0
    const prepared = await timed(async () => {
      const outcomes = await Promise.all(
        ids.map((id) => start(...state.words("prepare", "--id", id, "--image", "settled")))
      )
      ready = outcomes.filter(({ ok }) => ok).length
      for (const { said } of outcomes.filter(({ ok }) => !ok)) console.error(said)
    })
    const ran = await timed(() => Promise.all(ids.map((id) => start(...state.words("exec", "--id", id, "--", "true")))))
    const cleaned = await timed(() => Promise.all(ids.map((id) => start(...state.words("cleanup", "--id", id)))))
    figures.push(
      figure(`${size} prepares at once: ready`, "machines", [ready]),
      figure(`${size} prepares at once`, "ms", [prepared]),
      figure(`a command in each of ${size}, at once`, "ms", [ran]),
      figure(`${size} cleanups at once`, "ms", [cleaned])
    )
  }
  return { title: "Many at once", figures }
}
