import { assert, describe, it } from "@effect/vitest"
import * as LastLines from "../../../src/player/LastLines.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

describe("last lines", () => {
  it("are complete ones as they come, however they are cut", () => {
    const lines = LastLines.make()
    const [first = new Uint8Array(), ...rest] = [...bytes("läuft\r\nport 80\nand")].map((byte) => Uint8Array.of(byte))
    const taken = [first, ...rest].flatMap((byte) => lines.take(byte))
    assert.deepStrictEqual(taken, ["läuft", "port 80"])
    assert.strictEqual(lines.text(), "läuft\nport 80\nand")
  })

  it("are twenty, and of a thousand characters each", () => {
    const lines = LastLines.make()
    for (let index = 0; index < 100; index++) lines.take(bytes(`${index}\n`))
    assert.strictEqual(lines.text().split("\n")[0], "80")
    lines.take(bytes("x".repeat(5_000_000)))
    lines.take(bytes("y\n"))
    assert.strictEqual(lines.text().split("\n").at(-1)?.length, 1000)
  })
})
