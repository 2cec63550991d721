import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Archive from "../../../src/build/Archive.ts"

const entry = (kind: string, name: string, target?: string): Archive.Entry => ({ kind, name, target })

describe("a line of tar's list", () => {
  const before = "-rw-r--r-- 0/0               2 2026-11-25 22:27 "
  it.each([
    [`${before}"a/b"`, entry("-", "a/b")],
    [`${before}"a -> \\"b\\" link to \\"c\\""`, entry("-", 'a -> "b" link to "c"')],
    [`${before}"back\\\\slash\\nline\\ttab"`, entry("-", "back\\slash\nline\ttab")],
    [`${before}"\\303\\251 \\377"`, entry("-", "é \uFFFD")],
    ['lrwxrwxrwx 0/0 0 2026-11-25 22:27 "l -> k" -> "/etc/x"', entry("l", "l -> k", "/etc/x")],
    ['hrw-r--r-- 0/0 0 2026-11-25 22:27 "h" link to "a \\" b"', entry("h", "h", 'a " b')],
    ['crw-r--r-- 0/0 1,3 2026-11-25 22:27 "c"', entry("c", "c")],
    ['drwxr-xr-x* 0/0 0 2026-11-25 22:27 "./"', entry("d", "./")]
  ])("%s", (line, expected) => assert.deepStrictEqual(Archive.parseLine(line), expected))

  it.each([[""], ["anything"], [`${before}"a" unknown file type 'Z'`], [`${before}"a`], [`${before}"a" "b"`]])(
    "%j is none",
    (line) => assert.isUndefined(Archive.parseLine(line))
  )
})

const place = (entries: ReadonlyArray<Archive.Entry>, there: Readonly<Record<string, string>> = {}) =>
  Effect.map(
    Effect.result(Archive.place(entries, "a test", (path) => Effect.succeed(there[path]))),
    Result.match({
      onFailure: ({ reason }) => reason,
      onSuccess: (placed) => placed.map(({ path }) => path)
    })
  )

describe("where entries go", () => {
  it.effect("names without what does not matter, through links that stay inside", () =>
    Effect.gen(function* () {
      const entries = [
        entry("d", "./"),
        entry("d", "usr/"),
        entry("l", "./bin", "usr/bin"),
        entry("-", "bin//sh"),
        entry("l", "var/run", "../run"),
        entry("-", "var/run/x"),
        entry("l", "out", "/etc"),
        entry("h", "again", "bin/sh")
      ]
      assert.deepStrictEqual(yield* place(entries), [
        "",
        "usr",
        "bin",
        "usr/bin/sh",
        "var/run",
        "run/x",
        "out",
        "again"
      ])
    })
  )

  it.effect("a folder in a link's place is no link any more", () =>
    Effect.gen(function* () {
      const entries = [entry("d", "out"), entry("-", "out/file")]
      assert.deepStrictEqual(yield* place(entries, { out: "/etc" }), ["out", "out/file"])
      assert.include(yield* place(entries.slice(1), { out: "/etc" }), '"out/file" would be written through a link')
    })
  )

  it.effect("a link that comes after a file in its place counts for what follows", () =>
    Effect.gen(function* () {
      const entries = [entry("-", "a/x"), entry("l", "a", "../.."), entry("-", "a/y")]
      assert.include(yield* place(entries), '"a/y" would be written through a link')
    })
  )
})
