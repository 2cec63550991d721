import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { parse } from "../../../src/build/Definition.ts"
import { ImageName } from "../../../src/record/MachineRecord.ts"

const name = ImageName.make("trixie")
const read = (text: string) => parse(name, "trixie.yaml", text)
const problems = (text: string): string => {
  const found = read(text)
  return Result.isFailure(found) ? found.failure.join("\n") : assert.fail(`${text} is valid`)
}
const definition = (text: string) => Result.getOrThrow(read(text))
const withRedd = (lines: string) => `- hosts: all\n  vars:\n    redd:\n${lines.replaceAll(/^/gm, "      ")}\n`

describe("a definition", () => {
  it("says how the image comes to be, when anew, and what Ansible does", () => {
    const found = definition(
      `${withRedd("bootstrap: { mmdebstrap: { suite: trixie, include: [git] } }\nrecreate: weekly\nkeep: 5\nboot: none")}  tasks: [{ ansible.builtin.ping: }]\n`
    )
    assert.deepStrictEqual(found, {
      name,
      file: "trixie.yaml",
      bootstrap: { mmdebstrap: { suite: "trixie", include: ["git"] } },
      recreate: 7 * 86_400_000,
      keep: 5,
      boot: "none",
      hasTasks: true
    })
  })

  it("need not say anything", () => {
    assert.deepInclude(definition("- hosts: all\n"), {
      bootstrap: undefined,
      recreate: "never",
      keep: 3,
      hasTasks: false
    })
  })

  it("of nspawn-runner's is understood", () => {
    const found = definition(
      "- hosts: all\n  vars:\n    nspawn_runner_chroot_suite: bookworm\n    nspawn_runner_maint_recreate: true\n    mine: 1\n"
    )
    assert.deepInclude(found, { recreate: "always" })
    assert.strictEqual(found.bootstrap?.mmdebstrap?.suite, "bookworm")
  })

  it.each([
    ["never", "never"],
    ["always", "always"],
    ["daily", 86_400_000],
    ["P10D", 864_000_000],
    ["P2W", 1_209_600_000]
  ])("recreate: %s", (text, expected) => {
    assert.strictEqual(definition(withRedd(`recreate: ${text}`)).recreate, expected)
  })

  it("of several plays has tasks where one of them has", () => {
    assert.isTrue(definition("- hosts: all\n- hosts: all\n  roles: [web]\n").hasTasks)
    assert.isFalse(definition("- hosts: all\n  tasks: []\n- hosts: all\n").hasTasks)
  })
})

describe("a definition that makes no sense is named by file, line and key", () => {
  it.each<readonly [what: string, text: string, says: string]>([
    ["YAML that is none", "- hosts: [\n", "trixie.yaml:2"],
    ["no playbook", "hosts: all\n", "trixie.yaml:1: it is no playbook"],
    ["an empty file", "", "trixie.yaml:1: it is no playbook"],
    ["no play", "[]\n", "it is no playbook"],
    ["an unknown key", withRedd("recrate: weekly"), "trixie.yaml:4: 0.vars.redd.recrate: "],
    ["which is told what it may have meant", withRedd("recrate: weekly"), "did you mean recreate?"],
    ["deeper down, too", withRedd("bootstrap:\n  mmdebstrap: { siute: sid }"), "did you mean suite?"],
    ["a wrong type", withRedd("keep: many"), "trixie.yaml:4: 0.vars.redd.keep: "],
    ["a wrong value", withRedd("recreate: sometimes"), "weekly"],
    ["two bootstraps", withRedd("bootstrap: { clone: a, command: [x, '{root}'] }"), "one of mmdebstrap"],
    ["no bootstrap in bootstrap", withRedd("bootstrap: {}"), "one of mmdebstrap"],
    ["a checksum that is none", withRedd("bootstrap: { tarball: { path: x, sha256: abc } }"), "SHA-256"],
    [
      "an address without a checksum",
      withRedd("bootstrap: { tarball: { url: 'https://example.com/x' } }"),
      "url with sha256"
    ],
    ["a command without {root}", withRedd("bootstrap: { command: [dnf] }"), "{root}"],
    [
      "a package that is an option",
      withRedd("bootstrap: { mmdebstrap: { suite: sid, include: ['--hook=x'] } }"),
      "the name of a package"
    ],
    ["an alias without its anchor", "- hosts: *all\n", "trixie.yaml"]
  ])("%s", (_, text, says) => assert.include(problems(text), says))

  it("whatever is written there", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        const found = read(text)
        if (Result.isFailure(found)) assert.isTrue(found.failure.every((line) => line.startsWith("trixie.yaml")))
      })
    )
  })
})
