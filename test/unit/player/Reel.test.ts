import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { File } from "../../../src/host/Scan.ts"
import type * as Watch from "../../../src/host/Watch.ts"
import * as Reel from "../../../src/player/Reel.ts"
import * as Signage from "../../../src/player/Signage.ts"

const lines = "path: /m\nplayers:\n  pdf: [mupdf, '{newest}']\n  images: [feh, '{files}']\n"
const box = Result.getOrThrow(Signage.parse("s.yaml", lines))
const withFallback = Result.getOrThrow(Signage.parse("s.yaml", `${lines}fallback: [feh, /nothing.png]\n`))

const file = (name: string, modifiedMs = 0): File => ({
  name,
  device: 1,
  inode: 1,
  sizeBytes: 1,
  modifiedMs,
  changedMs: 0
})
const listing = (files: ReadonlyArray<File>, more: Partial<Watch.Listing> = {}): Watch.Listing => ({
  _tag: "Listing",
  folder: "/m",
  missing: undefined,
  files,
  skipped: [],
  skippedCount: 0,
  isAsked: false,
  ...more
})

/** What follows from each event in turn. */
const follow = (signage: Signage.Signage, events: ReadonlyArray<Watch.Event>) => {
  let showing = Reel.start
  return events.map((event) => {
    const [next, said] = Reel.next(signage, showing, event)
    showing = next
    return said
  })
}
const shown = (signage: Signage.Signage, ...events: ReadonlyArray<Watch.Event>) =>
  follow(signage, events).map((said) =>
    said
      .flatMap((event) => (event._tag === "Play" ? [event.command.join(" ")] : event._tag === "Idle" ? ["-"] : []))
      .join()
  )
const noticed = (...events: ReadonlyArray<Watch.Event>) =>
  follow(box, events).map((said) => said.flatMap((event) => (event._tag === "Notice" ? [event.text] : [])).join())

describe("what is shown", () => {
  it("follows the media", () => {
    assert.deepStrictEqual(
      shown(
        box,
        listing([file("a.pdf", 1)]),
        listing([file("a.pdf", 1), file("b.png", 2)]),
        listing([file("a.pdf", 1), file("b.png", 2), file("c.png", 0)]),
        listing([file("a.pdf", 3), file("b.png", 2)])
      ),
      ["mupdf /m/a.pdf", "feh /m/b.png", "feh /m/b.png /m/c.png", "mupdf /m/a.pdf"]
    )
  })
  it("goes on, while what it shows stays the same", () => {
    const [one, other] = [file("a.pdf", 2), file("b.pdf", 1)]
    assert.deepStrictEqual(
      shown(
        box,
        listing([one, other]),
        listing([one]),
        listing([one, file("x.txt", 9)]),
        listing([file("b.png"), one])
      ),
      ["mupdf /m/a.pdf", "", "", ""]
    )
  })
  it("begins anew, where its file was replaced by one of the same name", () => {
    const one = file("a.pdf", 1)
    assert.deepStrictEqual(
      shown(box, listing([one]), listing([{ ...one, inode: 2 }]), listing([{ ...one, inode: 2 }])),
      ["mupdf /m/a.pdf", "mupdf /m/a.pdf", ""]
    )
  })
  it("begins anew, where somebody asks for it", () => {
    const all = listing([file("a.pdf")])
    const [, , third] = follow(box, [all, all, { ...all, isAsked: true }])
    assert.deepStrictEqual(third, [
      { _tag: "Play", type: "pdf", command: ["mupdf", "/m/a.pdf"], files: ["a.pdf"], isAgain: true }
    ])
  })
  it("is nothing, told once, where there is nothing", () => {
    const none = listing([])
    assert.deepStrictEqual(
      shown(
        box,
        none,
        none,
        { ...none, isAsked: true },
        listing([file("a.pdf")]),
        none,
        listing([], { missing: "no" })
      ),
      ["-", "", "", "mupdf /m/a.pdf", "-", ""]
    )
  })
  it("is the fall-back, where there is one", () => {
    const none = listing([])
    assert.deepStrictEqual(
      shown(
        withFallback,
        none,
        listing([file("a.txt")]),
        listing([file("a.pdf")]),
        listing([], { missing: "no" }),
        none
      ),
      ["feh /nothing.png", "", "mupdf /m/a.pdf", "feh /nothing.png", ""]
    )
  })
  it("is the fall-back, where the command would be too long, which is told", () => {
    const many = Array.from({ length: 9000 }, (_, at) => file(`${at}${"n".repeat(200)}.png`))
    assert.deepStrictEqual(shown(withFallback, listing(many)), ["feh /nothing.png"])
    assert.match(noticed(listing(many))[0] ?? "", /^The command for images is too long: 9000 files .* Hint: /)
  })
})

describe("a person is told", () => {
  it("once of what stays so", () => {
    const missing = listing([], { missing: "no such file or directory" })
    assert.deepStrictEqual(noticed(missing, missing, listing([]), missing), [
      "The media in /m are missing: no such file or directory.",
      "",
      "",
      "The media in /m are missing: no such file or directory."
    ])
  })
  it("what was left out", () => {
    const skipped = [{ name: "\u001b[2J.pdf", why: "link" as const }]
    assert.deepStrictEqual(noticed(listing([], { skipped, skippedCount: 3 })), [
      String.raw`In /m, this is left out: "\u001b[2J.pdf": a symbolic link, which is not followed, and 2 more.`
    ])
  })
  it("what the watch cannot do", () => {
    assert.deepStrictEqual(
      noticed({ _tag: "Polling", why: "all are taken" }, { _tag: "NoControl", name: "done", why: "read-only" }),
      ["Changes in /m are seen late: all are taken.", "/m/done cannot be made: read-only."]
    )
  })
})

const boxOf = (path: string) => ({ ...box, path, settle: Duration.millis(50), poll: Duration.minutes(10) })

describe("a real folder", () => {
  const folder = Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(`${tmpdir()}/redd-reel-`)),
    (path) => Effect.sync(() => fs.rmSync(path, { recursive: true }))
  )

  it.live("is followed, and asked for by the control file", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const control = `${path}/remove-when-done`
      const steps = [
        () => fs.writeFileSync(`${path}/a.pdf`, ""),
        () => fs.unlinkSync(control),
        () => fs.writeFileSync(`${path}/b c.png`, ""),
        () => fs.rmSync(`${path}/b c.png`),
        () => fs.rmSync(`${path}/a.pdf`)
      ]
      const events = yield* Reel.stream(boxOf(path)).pipe(
        Stream.take(steps.length + 1),
        Stream.tap(() => Effect.sync(() => steps.shift()?.())),
        Stream.runCollect,
        Effect.timeout("20 seconds")
      )
      const plays = (type: string, file: string, isAgain = false): Reel.Event => ({
        _tag: "Play",
        type,
        command: [type === "pdf" ? "mupdf" : "feh", `${path}/${file}`],
        files: [file],
        isAgain
      })
      assert.deepStrictEqual(events, [
        { _tag: "Idle" },
        plays("pdf", "a.pdf"),
        plays("pdf", "a.pdf", true),
        plays("images", "b c.png"),
        plays("pdf", "a.pdf"),
        { _tag: "Idle" }
      ])
      assert.match(fs.readFileSync(control, "utf8"), /^Remove this file /)
    })
  )

  it.live("that is replaced faster than players start has its last state shown", () =>
    Effect.gen(function* () {
      const path = yield* folder
      fs.writeFileSync(`${path}/0.pdf`, "")
      const last = yield* Reel.stream(boxOf(path)).pipe(
        // Who starts players takes their time.
        Stream.tap(() =>
          Effect.sync(() => {
            for (let i = 1; i <= 10; i++) {
              fs.writeFileSync(`${path}/.new`, String(i))
              fs.renameSync(`${path}/.new`, `${path}/${i}.pdf`)
            }
          })
        ),
        Stream.take(2),
        Stream.runCollect,
        Effect.timeout("20 seconds")
      )
      assert.deepStrictEqual(
        last.map((event) => (event._tag === "Play" ? event.files : [])),
        [["0.pdf"], ["10.pdf"]]
      )
    })
  )
})
