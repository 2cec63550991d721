/** A folder that is watched: a real one, and what can happen to it without root. The rest is in test/lab/watch.test.ts. */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { vi } from "vitest"
import * as Watch from "../../../src/host/Watch.ts"

vi.setConfig({ testTimeout: 30_000 })

let top: string
let folder: string
beforeEach(() => {
  top = fs.mkdtempSync(`${tmpdir()}/redd-watch-`)
  folder = `${top}/media`
  fs.mkdirSync(folder)
})
afterEach(() => fs.rmSync(top, { recursive: true, force: true }))

const put = (name: string, content = "x") => {
  fs.mkdirSync(`${folder}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true })
  fs.writeFileSync(`${folder}/${name}`, content)
}

/** Polls come so seldom that a test which waits for one fails. */
const told: Watch.Options = { settle: Duration.millis(60), poll: Duration.minutes(10), patience: Duration.minutes(10) }
/** As on a file system that tells nothing. */
const polling: Watch.Options = { ...told, poll: Duration.millis(20), inotify: false }

interface Watched {
  readonly next: Effect.Effect<Watch.Event>
  /** The next listing of which this is true. Others may come before it, and nothing else. */
  until(what: string, is: (listing: Watch.Listing) => boolean): Effect.Effect<Watch.Listing>
}

const soon = (what: string) => ({
  duration: Duration.seconds(20),
  orElse: () => Effect.die(new Error(`it did not come: ${what}`))
})

/** Watches the folder for the time of a test. */
const watching = (options: Watch.Options, test: (watched: Watched) => Effect.Effect<void>): Promise<void> =>
  Effect.gen(function* () {
    const events = yield* Queue.unbounded<Watch.Event>()
    yield* Effect.forkScoped(Stream.runForEach(Watch.folder(folder, options), (event) => Queue.offer(events, event)))
    const next = Effect.timeoutOrElse(Queue.take(events), soon("an event"))
    yield* test({
      next,
      until: (what, is) =>
        Effect.gen(function* () {
          for (;;) {
            const event = yield* Queue.take(events)
            if (event._tag !== "Listing") return yield* Effect.die(new Error(`it says ${JSON.stringify(event)}`))
            if (is(event)) return event
          }
        }).pipe(Effect.timeoutOrElse(soon(what)))
    })
  }).pipe(Effect.scoped, Effect.runPromise)

const names = ({ files }: Watch.Listing) => files.map(({ name }) => name)
const has =
  (...wanted: ReadonlyArray<string>) =>
  (listing: Watch.Listing) =>
    names(listing).join() === wanted.join()
const isMissing = ({ missing }: Watch.Listing) => missing !== undefined

describe.each([
  ["as inotify tells", told],
  ["by polls alone", polling]
] as const)("a folder is watched %s:", (_, options) => {
  it("it is listed at the start, and after each kind of change", () => {
    put("a.pdf")
    return watching(options, ({ until }) =>
      Effect.gen(function* () {
        const first = yield* until("the start", has("a.pdf"))
        assert.deepInclude(first, { folder, missing: undefined, skipped: [], isAsked: false })
        put("deep/er/b.pdf")
        yield* until("a file in new folders", has("a.pdf", "deep/er/b.pdf"))
        put("deep/er/c.pdf")
        yield* until("one more there", has("a.pdf", "deep/er/b.pdf", "deep/er/c.pdf"))
        fs.renameSync(`${folder}/deep`, `${folder}/z`)
        yield* until("a folder that was renamed", has("a.pdf", "z/er/b.pdf", "z/er/c.pdf"))
        fs.rmSync(`${folder}/z`, { recursive: true })
        yield* until("a folder that was deleted", has("a.pdf"))
        put(".a.pdf.Xy12", "y")
        fs.utimesSync(`${folder}/.a.pdf.Xy12`, 1, 1)
        fs.renameSync(`${folder}/.a.pdf.Xy12`, `${folder}/a.pdf`)
        const renamed = yield* until("one that was replaced", ({ files }) => files[0]?.modifiedMs === 1000)
        put("b.pdf", "y")
        fs.utimesSync(`${folder}/b.pdf`, 1, 1)
        yield* until("another", has("a.pdf", "b.pdf"))
        fs.renameSync(`${folder}/b.pdf`, `${folder}/a.pdf`)
        yield* until(
          "one that was replaced by one as large and as old",
          (listing) => has("a.pdf")(listing) && listing.files[0]?.inode !== renamed.files[0]?.inode
        )
        fs.writeFileSync(`${folder}/a.pdf`, "longer")
        yield* until("one that was written over", ({ files }) => files[0]?.sizeBytes === 6)
      })
    )
  })

  it("it may be missing, appear, go, be replaced, and be no folder", () => {
    fs.rmdirSync(folder)
    return watching(options, ({ until }) =>
      Effect.gen(function* () {
        const { missing } = yield* until("that it is missing", isMissing)
        assert.strictEqual(missing, "no such file or directory")
        put("a.pdf")
        yield* until("that it appeared", has("a.pdf"))
        put("deep/b.pdf")
        yield* until("a folder in it", has("a.pdf", "deep/b.pdf"))
        fs.renameSync(folder, `${top}/other`)
        put("deep/c.pdf")
        yield* until("that another one is there", has("deep/c.pdf"))
        put("deep/d.pdf")
        yield* until("a file in the folder in that one", has("deep/c.pdf", "deep/d.pdf"))
        put("deep/e.pdf")
        yield* until("one more", has("deep/c.pdf", "deep/d.pdf", "deep/e.pdf"))
        fs.rmSync(folder, { recursive: true })
        fs.renameSync(`${top}/other`, folder)
        fs.rmSync(`${folder}/deep`, { recursive: true })
        yield* until("that the first one is back", has("a.pdf"))
        fs.renameSync(folder, `${top}/old`)
        yield* until("that it went", isMissing)
        fs.mkdirSync(folder)
        yield* until("that it is empty", (listing) => !isMissing(listing))
        fs.renameSync(folder, `${top}/empty`)
        fs.renameSync(`${top}/old`, folder)
        yield* until("that it was replaced", has("a.pdf"))
        fs.renameSync(folder, `${top}/old`)
        fs.writeFileSync(folder, "")
        assert.strictEqual((yield* until("that it is a file", isMissing)).missing, "not a directory")
      })
    )
  })

  it("it may be behind a link, which is followed wherever it leads", () => {
    put("a.pdf")
    fs.renameSync(folder, `${top}/one`)
    fs.mkdirSync(`${top}/two`)
    fs.writeFileSync(`${top}/two/b.pdf`, "")
    fs.symlinkSync("one", folder)
    return watching({ ...options, poll: Duration.millis(20) }, ({ until }) =>
      Effect.gen(function* () {
        yield* until("what it leads to", has("a.pdf"))
        fs.symlinkSync("two", `${top}/new`)
        fs.renameSync(`${top}/new`, folder)
        yield* until("what it leads to now", has("b.pdf"))
      })
    )
  })

  it("what is being written holds up what rests for a while, and is told when it rests", () =>
    watching({ ...options, settle: Duration.millis(500), patience: Duration.seconds(1) }, ({ next, until }) =>
      Effect.gen(function* () {
        yield* next
        let written = 0
        const writing = yield* Effect.forkChild(
          Effect.forever(
            Effect.delay(
              Effect.sync(() => fs.appendFileSync(`${folder}/film.mp4`, String(++written % 10))),
              "5 millis"
            )
          )
        )
        put("a.pdf")
        yield* until("what rests", has("a.pdf"))
        writing.interruptUnsafe()
        const whole = yield* until("all of it", has("a.pdf", "film.mp4"))
        assert.strictEqual(whole.files[1]?.sizeBytes, written)
      })
    ))
})

describe("a listing", () => {
  it("has nothing that is hidden, half written or a desktop's own", () => {
    for (const name of [".hidden.pdf", ".dir/a.pdf", "a.pdf.part", "a.pdf~", "a.TMP", "~$a.pptx", "$RECYCLE.BIN/b.pdf"])
      put(name)
    put("a part.pdf")
    put("temp/tmp.pdf")
    return watching(told, ({ until }) => Effect.asVoid(until("the rest", has("a part.pdf", "temp/tmp.pdf"))))
  })

  it("has no link, FIFO or device, and says which links it left out", () => {
    put("a.pdf")
    fs.symlinkSync("a.pdf", `${folder}/b.pdf`)
    fs.symlinkSync("/etc", `${folder}/etc`)
    fs.symlinkSync(".", `${folder}/loop`)
    assert.strictEqual(spawnSync("mkfifo", [`${folder}/fifo.mp4`]).status, 0)
    return watching(told, ({ until }) =>
      Effect.gen(function* () {
        const { skipped, skippedCount } = yield* until("the file", has("a.pdf"))
        assert.strictEqual(skippedCount, 3)
        assert.sameDeepMembers(
          [...skipped],
          ["b.pdf", "etc", "loop"].map((name) => ({ name, why: "link" }))
        )
      })
    )
  })

  it("has names of any kind, and says which ones are no text", () => {
    const odd = ["-rf", " ", "a\nb.pdf", "\u001b[31m.pdf", "ä\uFFFD.pdf", "{newest}"]
    for (const name of odd) put(name)
    fs.writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0x2e])]), "")
    return watching(told, ({ until }) =>
      Effect.gen(function* () {
        const { skipped } = yield* until("all of them", has(...odd.toSorted()))
        assert.deepStrictEqual(skipped, [{ name: "\uFFFD.", why: "name" }])
        assert.strictEqual(
          Watch.explain({ name: "\u001b\n", why: "name" }),
          String.raw`"\u001b\n": its name is too long, or not UTF-8`
        )
      })
    )
  })

  it("leaves out what is too deep", () => {
    put("1/2/a.pdf")
    put("1/2/3/b.pdf")
    return watching({ ...told, bounds: { depth: 2, names: 100 } }, ({ until }) =>
      Effect.gen(function* () {
        const { skipped } = yield* until("what is not", has("1/2/a.pdf"))
        assert.deepStrictEqual(skipped, [{ name: "1/2/3", why: "depth" }])
      })
    )
  })

  it("leaves out what has a path that nothing can open", () => {
    const long = "n".repeat(200)
    const path = Array.from({ length: 19 }, () => long).join("/")
    put(`${path}/a.pdf`)
    // Put into folders from above, it is longer than any call takes.
    for (const _ of [1, 2]) {
      fs.mkdirSync(`${top}/outer`)
      fs.renameSync(`${folder}/${long}`, `${top}/outer/${long}`)
      fs.renameSync(`${top}/outer`, `${folder}/${long}`)
    }
    return watching({ ...told, bounds: { depth: 50, names: 100 } }, ({ until }) =>
      Effect.gen(function* () {
        const listing = yield* until("the listing", () => true)
        assert.deepStrictEqual(listing.files, [])
        assert.strictEqual(listing.skipped[0]?.why, "name")
      })
    )
  })

  it("has ten thousand files, and says where there are too many", () => {
    for (let i = 0; i < 10_000; i++) put(`${i % 100}/${i}.jpg`, "")
    return watching(told, ({ until }) =>
      Effect.gen(function* () {
        const all = yield* until("all of them", ({ files }) => files.length === 10_000)
        assert.strictEqual(all.skippedCount, 0)
        put("7/new.jpg")
        yield* until("one more", ({ files }) => files.length === 10_001)
        yield* Effect.promise(() =>
          watching({ ...told, bounds: { depth: 8, names: 500 } }, (other) =>
            Effect.gen(function* () {
              const few = yield* other.until("some of them", () => true)
              assert.isBelow(few.files.length, 500)
              assert.strictEqual(few.skipped[0]?.why, "number")
            })
          )
        )
      })
    )
  })

  it("comes without the help of inotify where there are too many folders, which is said once", () => {
    for (let i = 0; i < 1100; i++) fs.mkdirSync(`${folder}/${i}`)
    return watching({ ...told, poll: Duration.millis(20) }, ({ next, until }) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* next, { _tag: "Polling", why: "there are more than 1024 folders" })
        put("999/a.pdf")
        yield* until("a file in the last folder", has("999/a.pdf"))
      })
    )
  })
})

describe("the control file", () => {
  const control = { name: "remove-when-done", content: "Remove me.\n" }
  const file = () => `${folder}/${control.name}`
  const text = () => {
    try {
      return fs.readFileSync(file(), "utf8")
    } catch {
      return undefined
    }
  }

  it.each([
    ["as inotify tells", told],
    ["by polls alone", polling]
  ] as const)("is made, not listed, and its removal is told though nothing else changed, %s", (_, options) => {
    put("a.pdf")
    return watching({ ...options, control }, ({ next, until }) =>
      Effect.gen(function* () {
        const first = yield* next
        assert.isTrue(first._tag === "Listing" && has("a.pdf")(first) && !first.isAsked)
        for (const _ of [1, 2, 3]) {
          assert.strictEqual(text(), control.content)
          fs.unlinkSync(file())
          const asked = yield* next
          assert.isTrue(asked._tag === "Listing" && has("a.pdf")(asked) && asked.isAsked)
        }
        put("b.pdf")
        assert.isFalse((yield* until("a change", has("a.pdf", "b.pdf"))).isAsked)
      })
    )
  })

  it("is heard while a file does not rest", () =>
    watching({ ...told, control, settle: Duration.millis(200) }, ({ next }) =>
      Effect.gen(function* () {
        yield* next
        const write = Effect.sync(() => fs.appendFileSync(`${folder}/film.mp4`, "x"))
        yield* Effect.forkChild(Effect.forever(Effect.delay(write, "5 millis")))
        fs.unlinkSync(file())
        const asked = yield* next
        assert.isTrue(asked._tag === "Listing" && asked.isAsked)
      })
    ))

  it("is not missed in a folder in which it was not", () => {
    put("a.pdf")
    return watching({ ...told, control }, ({ next, until }) =>
      Effect.gen(function* () {
        yield* next
        fs.renameSync(folder, `${top}/old`)
        put("b.pdf")
        const listing = yield* until("the new folder", has("b.pdf"))
        assert.isFalse(listing.isAsked)
        assert.strictEqual(text(), control.content)
      })
    )
  })

  it("is told once to be impossible, and never made through a link", () => {
    fs.symlinkSync(`${top}/elsewhere`, file())
    return watching({ ...told, control }, ({ next, until }) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* next, { _tag: "NoControl", name: control.name, why: "file already exists" })
        put("a.pdf")
        assert.strictEqual((yield* next)._tag, "Listing")
        yield* until("the file", has("a.pdf"))
        assert.isFalse(fs.existsSync(`${top}/elsewhere`))
        fs.unlinkSync(file())
        put("b.pdf")
        const listing = yield* until("the next file", has("a.pdf", "b.pdf"))
        assert.isFalse(listing.isAsked)
        assert.strictEqual(text(), control.content)
      })
    )
  })

  it("is not made where there is no folder", () => {
    fs.rmdirSync(folder)
    return watching({ ...told, control }, ({ until }) =>
      Effect.gen(function* () {
        yield* until("that there is none", isMissing)
        assert.isFalse(fs.existsSync(folder))
      })
    )
  })
})

/** How many inotify watches this process has (proc_pid_fdinfo(5)). */
const watches = () =>
  fs
    .readdirSync("/proc/self/fdinfo")
    .map((fd) => (fs.existsSync(`/proc/self/fdinfo/${fd}`) ? fs.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8") : ""))
    .reduce((sum, text) => sum + (text.match(/^inotify /gm)?.length ?? 0), 0)

describe("the watch of a folder", () => {
  it("leaves nothing open when it is interrupted", async () => {
    put("deep/a.pdf")
    const before = watches()
    await watching(told, ({ next }) =>
      Effect.gen(function* () {
        yield* next
        assert.isAtLeast(watches(), before + 2)
      })
    )
    assert.strictEqual(watches(), before)
  })

  it("sees what is there when it is asked, and not all that was", () =>
    Effect.gen(function* () {
      const pull = yield* Stream.toPull(Watch.folder(folder, told))
      yield* pull
      for (let i = 0; i < 10; i++) {
        put("a.pdf", "x".repeat(i))
        // Time for what would look meanwhile.
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }
      const [listing] = yield* pull
      assert.isTrue(listing._tag === "Listing" && listing.files[0]?.sizeBytes === 9)
    }).pipe(Effect.scoped, Effect.orDie, Effect.runPromise))
})
