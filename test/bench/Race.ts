/** Competitors measured in turn, so that whatever else the machine does hits them alike. */
import { type Figure, figure } from "./Figures.ts"

export interface Competitor {
  readonly name: string
  /** What is measured. */
  readonly run: () => Promise<unknown> | unknown
}

/** Milliseconds that something takes. */
export const timed = async (run: Competitor["run"]): Promise<number> => {
  const started = performance.now()
  await run()
  return performance.now() - started
}

/**
 * What one leaves to the kernel and to its machine to clear away shall not be in the time of the next one: processes that
 * end, cgroups, subvolumes.
 */
const settle = () => new Promise((resolve) => setTimeout(resolve, 60))

/** Whoever comes after whom: every other round goes backwards. */
const inTurn = <A>(all: ReadonlyArray<A>, round: number): ReadonlyArray<A> => (round % 2 === 0 ? all : all.toReversed())

/** How often each goes in its turn: none shall be measured with the caches of the others alone. */
const turn = 5

/** One round each that does not count, then `rounds`. */
export const race = async (rounds: number, competitors: ReadonlyArray<Competitor>): Promise<ReadonlyArray<Figure>> => {
  const found = competitors.map((competitor) => ({ competitor, measured: new Array<number>() }))
  for (let round = -1; round < rounds; round++) {
    for (const { competitor, measured } of inTurn(found, round)) {
      await settle()
      for (let time = 0; time < turn; time++) {
        const took = await timed(competitor.run)
        if (round >= 0) measured.push(took)
      }
    }
  }
  return found.map(({ competitor, measured }) => figure(competitor.name, "ms", measured))
}

/** Something with a beginning and an end, each measured. */
export interface Life {
  readonly begin: Competitor
  readonly end: Competitor
}

/** The same for lives: the figures of all beginnings, then of all ends. */
export const raceLives = async (rounds: number, lives: ReadonlyArray<Life>): Promise<ReadonlyArray<Figure>> => {
  const found = lives.map((life) => ({ life, begun: new Array<number>(), ended: new Array<number>() }))
  for (let round = -1; round < rounds; round++) {
    for (const { begun, ended, life } of inTurn(found, round)) {
      const began = await timed(life.begin.run)
      const end = await timed(life.end.run)
      if (round < 0) continue
      begun.push(began)
      ended.push(end)
    }
  }
  return [
    ...found.map(({ begun, life }) => figure(life.begin.name, "ms", begun)),
    ...found.map(({ ended, life }) => figure(life.end.name, "ms", ended))
  ]
}
