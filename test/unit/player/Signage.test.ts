import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as Signage from "../../../src/player/Signage.ts"

const read = (text: string) => Signage.parse("s.yaml", text)
const signage = (text: string) => Result.getOrThrow(read(text))
const problems = (text: string): string => {
  const found = read(text)
  return Result.isFailure(found) ? found.failure.join("\n") : assert.fail(`${text} is valid`)
}
const least = "path: /srv/media\nplayers: { pdf: [mupdf, '{newest}'] }\n"

describe("a signage file", () => {
  it("says all that a box shows, and how", () => {
    const found = signage(`
path: /srv/media/
players:
  web: [chromium, --kiosk, "{newest}"]
  images: [feh, --slideshow-delay, 8, "{files}"]
types: { web: [html, htm] }
fallback: [feh, /usr/share/nothing.png]
settle: 2s
poll: 1m
control: done
restart: on-failure
grace: 10
inhibit: [idle, sleep]
environment: { DISPLAY: ":0", DEPTH: 24 }
limits: { memory: 1G, cpus: 1.5, tasks: 100 }
`)
    assert.deepStrictEqual(found, {
      path: "/srv/media",
      players: [
        { type: "web", extensions: ["html", "htm"], command: ["chromium", "--kiosk", "{newest}"] },
        {
          type: "images",
          extensions: ["jpg", "jpeg", "png", "gif", "webp", "avif", "bmp", "tif", "tiff"],
          command: ["feh", "--slideshow-delay", "8", "{files}"]
        }
      ],
      fallback: ["feh", "/usr/share/nothing.png"],
      settle: Duration.seconds(2),
      poll: Duration.minutes(1),
      control: "done",
      restart: "on-failure",
      grace: Duration.seconds(10),
      inhibit: ["idle", "sleep"],
      environment: { DISPLAY: ":0", DEPTH: "24" },
      limits: { memoryBytes: 2 ** 30, cpus: 1.5, tasks: 100 }
    })
  })

  it("need not say more than where and what", () => {
    assert.deepInclude(signage(least), { ...Signage.defaults, path: "/srv/media" })
    assert.isUndefined(signage(`${least}control: false`).control)
  })
})

describe("a mistake in one is named by file, line and key", () => {
  it.each<readonly [what: string, text: string, says: string]>([
    ["YAML that is none", "path: [\n", "s.yaml:2"],
    ["an empty file", "", "s.yaml: path: "],
    ["something else", "- hosts: all\n", "s.yaml:1: the whole file: "],
    ["an unknown key", `${least}fallbak: [x]`, "s.yaml:3: fallbak: "],
    ["which is told what it may have meant", `${least}fallbak: [x]`, "did you mean fallback?"],
    ["deeper down, too", `${least}limits: { memroy: 1G }`, "did you mean memory?"],
    [
      "a path that depends on who reads it",
      "path: media\nplayers: { pdf: [x] }",
      "s.yaml:1: path: Expected an absolute"
    ],
    ["no player", "path: /x\nplayers: {}", "s.yaml:2: players: "],
    ["a line for a shell", "path: /x\nplayers: { pdf: mupdf x }", "s.yaml:2: players.pdf: "],
    ["a player for no type", "path: /x\nplayers: { vidoe: [x] }", "s.yaml:2: players.vidoe: there is no such type"],
    ["which is told what it may have meant, too", "path: /x\nplayers: { vidoe: [x] }", "did you mean video?"],
    ["a type in capitals", "path: /x\nplayers: { PDF: [x] }", "s.yaml:2: players.PDF: expected the name of a type"],
    ["a type without a player", `${least}types: { web: [html] }`, "s.yaml:3: types.web: "],
    [
      "two players for an extension",
      "path: /x\nplayers:\n  pdf: [x]\n  mine: [y]\ntypes: { mine: [pdf] }",
      "s.yaml:4: players.mine: another player is for pdf"
    ],
    ["an extension with its dot", `${least}types: { pdf: [.pdf] }`, "types.pdf.0: Expected an extension"],
    ["a placeholder that is none", "path: /x\nplayers: { pdf: [x, '{newst}'] }", "{newst} is none of"],
    ["a file in the fall-back", `${least}fallback: [x, '{newest}']`, "s.yaml:3: fallback: there is no file"],
    ["a duration that is none", `${least}settle: soon`, "s.yaml:3: settle: Expected a duration from 0s to 1h"],
    ["polls without an end", `${least}poll: 0`, "s.yaml:3: poll: Expected a duration from 100ms to 1d"],
    ["a control file that is hidden", `${least}control: .done`, "s.yaml:3: control: "],
    ["a control file elsewhere", `${least}control: ../done`, "s.yaml:3: control: "],
    ["a word that is none of them", `${least}restart: sometimes`, '"on-failure"'],
    ["a variable that is none", `${least}environment: { A-B: x }`, "s.yaml:3: environment.A-B: expected the name"],
    ["limits that are none", `${least}limits: { memory: lots, tasks: 0 }`, "a size such as 512M"]
  ])("%s", (_, text, says) => assert.include(problems(text), says))

  it("all of them at once", () => {
    assert.strictEqual(problems("path: x\nplayers: 3\nsettle: x\npoll: x\n").split("\n").length, 4)
  })

  it("whatever is written there", () => {
    const text = fc.string({ unit: fc.constantFrom(..."ab:{}[]-\n \"'&*!|>#%@"), maxLength: 200 })
    fc.assert(
      fc.property(fc.constantFrom("", least), text, (before, text) => {
        const found = read(before + text)
        if (Result.isFailure(found)) assert.isTrue(found.failure.every((line) => line.startsWith("s.yaml")))
      })
    )
  })
})

describe("a signage without a file", () => {
  it("has one command for whatever is there", () => {
    assert.deepStrictEqual(Result.getOrThrow(Signage.plain("/srv/media", ["show", "{files}"])), {
      ...Signage.defaults,
      path: "/srv/media",
      players: [{ type: "any", extensions: ["*"], command: ["show", "{files}"] }]
    })
  })
  it("is refused for the same mistakes", () => {
    assert.isTrue(Result.isFailure(Signage.plain("/srv/media", ["sh", "-c", "show {newest}"])))
  })
})
