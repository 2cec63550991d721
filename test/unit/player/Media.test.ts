import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import type { File } from "../../../src/host/Scan.ts"
import * as Media from "../../../src/player/Media.ts"

const folder = "/srv/media"
const file = (name: string, modifiedMs = 0, more: Partial<File> = {}): File => ({
  name,
  device: 1,
  inode: 1,
  sizeBytes: 1,
  modifiedMs,
  changedMs: modifiedMs,
  ...more
})
const player = (type: string, ...command: ReadonlyArray<string>): Media.Player => ({
  type,
  extensions: Media.types[type] ?? [Media.anyExtension],
  command
})
const players = [
  player("pdf", "mupdf", "{newest}"),
  player("video", "mpv", "--loop", "--playlist={newest}"),
  player("images", "feh", "--slideshow-delay", "8", "{files}"),
  player("odp", "soffice", "--show", "{newest}", "--in={dir}/x")
]
const choose = (files: ReadonlyArray<File>, from = players) => Result.getOrThrow(Media.choose(from, folder, files))
const command = (files: ReadonlyArray<File>, from = players) => choose(files, from)?.command

/** The files that are shown by a command, of two. */
const shows = (of: ReadonlyArray<string>) =>
  choose([file("a.pdf", 1), file("b.pdf", 2)], [player("pdf", ...of)])?.files.map(({ name }) => name)

describe("what plays", () => {
  it("is the newest file, whatever its type", () => {
    assert.deepStrictEqual(command([file("a.pdf", 1), file("b/c.MKV", 2)]), [
      "mpv",
      "--loop",
      "--playlist=/srv/media/b/c.MKV"
    ])
    assert.deepStrictEqual(command([file("a.pdf", 3), file("b.mkv", 2)]), ["mupdf", "/srv/media/a.pdf"])
    assert.deepStrictEqual(command([file("a.pptx", 3)]), [
      "soffice",
      "--show",
      "/srv/media/a.pptx",
      "--in=/srv/media/x"
    ])
  })
  it("is all of a type, in the order in which people number, where the command takes all", () => {
    const files = [file("Slide10.png", 1), file("x.pdf", 2), file("Slide2.PNG", 9), file("a/b.jpg", 3)]
    const expected = ["/srv/media/a/b.jpg", "/srv/media/Slide2.PNG", "/srv/media/Slide10.png"]
    assert.deepStrictEqual(command(files)?.slice(3), expected)
  })
  it("is what comes last by name, of two that are as old", () => {
    assert.deepStrictEqual(command([file("v10.pdf"), file("v9.pdf")]), ["mupdf", "/srv/media/v10.pdf"])
    assert.deepStrictEqual(command([file("a.pdf"), file("a.mp4")]), ["mupdf", "/srv/media/a.pdf"])
  })
  it("is nothing, where no player is for what is there", () => {
    assert.isUndefined(choose([]))
    assert.isUndefined(choose([file("a.txt", 9), file("pdf"), file("a.pdf.exe"), file(".pdf/x")]))
    assert.deepStrictEqual(command([file("a.txt", 9), file("a.pdf", 1)]), ["mupdf", "/srv/media/a.pdf"])
  })
  it("is anything for *, but what another player is for", () => {
    const any = [player("any", "show", "{newest}"), ...players]
    assert.deepStrictEqual(command([file("README", 1)], any), ["show", "/srv/media/README"])
    assert.deepStrictEqual(command([file("README", 1), file("a.pdf", 2)], any), ["mupdf", "/srv/media/a.pdf"])
  })
  it("has to be restarted for what it shows, and for nothing else", () => {
    assert.deepStrictEqual(shows(["x", "{newest}"]), ["b.pdf"])
    for (const all of [["x", "{files}"], ["x", "{dir}"], ["x"], ["x", "{newest}", "--in={dir}"]])
      assert.deepStrictEqual(shows(all), ["a.pdf", "b.pdf"])
  })
})

describe("names", () => {
  const name = fc
    .string({
      unit: fc.oneof(fc.constantFrom(..."-${};'\"\n &`\\rf"), fc.string({ minLength: 1, maxLength: 1 })),
      minLength: 1
    })
    .filter((text) => !/[/\0]/.test(text))

  it("are whole arguments and never options, whatever they are", () => {
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 5 }), (names) => {
        const pictures = names.map((each, at) => file(`${each}.jpg`, at))
        const [program, , , ...files] = command(pictures) ?? []
        assert.strictEqual(program, "feh")
        assert.sameMembers(
          files,
          names.map((each) => `${folder}/${each}.jpg`)
        )
      })
    )
  })
  it("are taken as they are inside of a word", () => {
    fc.assert(
      fc.property(name, (each) => {
        assert.deepStrictEqual(command([file(`${each}.mp4`)])?.[2], `--playlist=${folder}/${each}.mp4`)
      })
    )
  })
  it("that look like ours mean nothing", () => {
    assert.deepStrictEqual(command([file("{dir}$&{newest}.pdf")]), ["mupdf", "/srv/media/{dir}$&{newest}.pdf"])
  })
  it("come in any order, with the same choice", () => {
    const files = fc.uniqueArray(fc.tuple(name, fc.nat(3), fc.constantFrom("pdf", "mp4", "png", "txt")), {
      selector: ([each, , extension]) => `${each}.${extension}`
    })
    fc.assert(
      fc.property(files, fc.infiniteStream(fc.nat()), (list, chance) => {
        const all = list.map(([each, age, extension]) => file(`${each}.${extension}`, age))
        const shuffled = all
          .map((each) => ({ each, at: chance.next().value ?? 0 }))
          .sort((one, other) => one.at - other.at)
          .map(({ each }) => each)
        assert.deepStrictEqual(choose(shuffled), choose(all))
      })
    )
  })
})

describe("a command that is too long", () => {
  it("is refused, with what to do about it", () => {
    const files = Array.from({ length: 10_000 }, (_, at) => file(`${"n".repeat(200)}${at}.jpg`))
    const found = Media.choose(players, folder, files)
    assert.isTrue(Result.isFailure(found))
    if (Result.isFailure(found)) {
      assert.include(found.failure.message, "10000 files")
      assert.include(found.failure.hint, "{dir}")
    }
  })
  it("is not one of ten thousand files with names as people give them", () => {
    const files = Array.from({ length: 10_000 }, (_, at) => file(`Christmas party 2026/DSC_${at}.jpg`))
    assert.strictEqual(command(files)?.length, 10_003)
  })
})

const of = (more: Partial<File>) => choose([file("a.pdf", 1, more), file("b.mp4", 0)])
const same = (one: ReturnType<typeof of>, other: ReturnType<typeof of>) =>
  one !== undefined && other !== undefined && Media.isSame(one, other)

describe("two choices", () => {
  it("are the same whatever became of other files", () => {
    assert.isTrue(same(of({}), choose([file("a.pdf", 1), file("c.pdf", 0)])))
    assert.isTrue(same(of({}), of({ changedMs: 9 })))
  })
  it.each([{ inode: 2 }, { device: 2 }, { sizeBytes: 2 }, { modifiedMs: 2 }])("are not, after a change: %j", (more) =>
    assert.isFalse(same(of({}), of(more)))
  )
  it("are not, where one shows a file more", () => {
    const pictures = [file("a.png"), file("b.png")]
    assert.isFalse(same(choose(pictures), choose([...pictures, file("c.png")])))
    assert.isFalse(same(choose(pictures), choose(pictures.slice(1))))
  })
})

describe("a command that was written", () => {
  it.each([
    [["mpv", "--loop", "{newest}"]],
    [["mpv", "--msg=${time-pos}", "--title=now: {newest}", "file://{newest}"]],
    [["feh", "{files}"]],
    [["env", "-u", "X", "mpv", "{dir}"]],
    [["sh", "-c", 'exec mpv "$1"', "sh", "{newest}"]],
    [["mpv"]]
  ])("may be %j", (words) => assert.isUndefined(Media.mistake(words)))

  it.each<readonly [ReadonlyArray<string>, string]>([
    [[], "a program"],
    [[""], "a program"],
    [["{newest}"], "not the program"],
    [["{dir}/play"], "not the program"],
    [["feh", "{file}"], "{file} is none of"],
    [["feh", "--list={files}"], "stands alone"],
    [["sh", "-c", "mpv {newest}"], "a shell would run"],
    [["sh", "-c", "{newest}"], "a shell would run"],
    [["/bin/bash", "-euc", "mpv${IFS}{newest}"], "a shell would run"],
    [["env", "A=b", "dash", "-c", "{dir}/play"], "a shell would run"],
    [["ssh", "tv", "mpv '{newest}'"], "a shell would run"],
    [["mpv", "a\0b"], "NUL"]
  ])("may not be %j", (words, says) => assert.include(Media.mistake(words), says))

  it("has no file where it is the fall-back", () => {
    assert.isUndefined(Media.mistakeOfFallback(["feh", "/x.png"]))
    assert.include(Media.mistakeOfFallback(["feh", "{dir}"]), "no file")
    assert.include(Media.mistakeOfFallback([]), "a program")
  })
})
