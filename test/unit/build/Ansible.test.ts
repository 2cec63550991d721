import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { changed, playbookArguments } from "../../../src/build/Ansible.ts"

const recap = (host: string, count: number) =>
  `PLAY RECAP ****\n${host} : ok=3  changed=${count}  unreachable=0  failed=0\n`

describe("whether a playbook changed anything", () => {
  it("is what the recap of the host says", () => {
    assert.deepStrictEqual(changed(recap("trixie", 0), "trixie"), Option.some(false))
    assert.deepStrictEqual(changed(recap("trixie", 12), "trixie"), Option.some(true))
    assert.deepStrictEqual(changed(`\u001b[0;32m${recap("trixie", 0)}`, "trixie"), Option.some(false))
  })
  it("is not known without one", () => {
    assert.deepStrictEqual(changed("{}", "trixie"), Option.none())
    assert.deepStrictEqual(changed(recap("other", 0), "trixie"), Option.none())
  })
})

it("what a person wants of a playbook is said to ansible-playbook", () => {
  assert.deepStrictEqual(
    playbookArguments("/i.json", "/p.yaml", { check: true, diff: true, tags: ["a", "b"], extraVars: ["x=1", "@f"] }),
    [
      "--inventory",
      "/i.json",
      "--check",
      "--diff",
      "--tags",
      "a,b",
      "--extra-vars",
      "x=1",
      "--extra-vars",
      "@f",
      "/p.yaml"
    ]
  )
})
