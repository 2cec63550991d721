import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Contract from "../../../adapters/executor/Contract.ts"
import * as Wishes from "../../../adapters/executor/Wishes.ts"
import * as Defaults from "../../../adapters/terminal/Defaults.ts"
import type { Configuration } from "../../../adapters/terminal/Configuration.ts"

const G = 2 ** 30
const read = (variables: Readonly<Record<string, string>>) =>
  Wishes.read(
    Contract.read(Object.fromEntries(Object.entries(variables).map(([name, value]) => [`CUSTOM_ENV_${name}`, value])))
  )
const grant = (
  variables: Readonly<Record<string, string>>,
  settings: Partial<Pick<Configuration, "limits">> & { readonly gitlab?: Partial<Configuration["gitlab"]> } = {},
  concurrency?: number
) =>
  Wishes.grant(
    Effect.runSync(read(variables)),
    { limits: settings.limits ?? {}, gitlab: { ...Defaults.configuration.gitlab, ...settings.gitlab } },
    { memoryBytes: 100 * G, concurrency }
  )

describe("what a job gets", () => {
  it("without wishes: the configured limits", () => {
    const limits = { memoryBytes: 4 * G, cpus: 2, tasks: 100 }
    assert.deepStrictEqual(grant({}, { limits }), { limits, tmpSizeBytes: undefined, network: "host", remarks: [] })
  })
  it("without a configured limit: its share of the host's memory", () => {
    assert.strictEqual(grant({}, {}, 3).limits.memoryBytes, 30 * G)
    assert.strictEqual(grant({}, { limits: { memoryBytes: G } }, 3).limits.memoryBytes, G)
    assert.isUndefined(grant({}).limits.memoryBytes)
  })
  it("less than it could have, when it asks for less", () => {
    const { limits, remarks } = grant(
      { REDD_MEMORY: "512M", REDD_CPUS: "0.5" },
      { limits: { memoryBytes: G, cpus: 2 } }
    )
    assert.deepStrictEqual([limits, remarks], [{ memoryBytes: G / 2, cpus: 0.5 }, []])
  })
  it("no more than the administrator gives, and it is said", () => {
    const most = { memoryBytes: 8 * G, cpus: 4, tmpSizeBytes: G }
    const all = { REDD_MEMORY: "1T", REDD_CPUS: "64", REDD_TMP_SIZE: "2G" }
    const { limits, remarks, tmpSizeBytes } = grant(all, { limits: { memoryBytes: G, cpus: 1 }, gitlab: { most } })
    assert.deepStrictEqual([limits, tmpSizeBytes], [{ memoryBytes: 8 * G, cpus: 4 }, G])
    assert.strictEqual(remarks.length, 3)
    assert.include(remarks.join(), "REDD_MEMORY asks for 1T, and this runner gives at most 8G")
  })
  it("not more than the usual, where the administrator says nothing of more", () => {
    assert.strictEqual(grant({ REDD_MEMORY: "2G" }, { limits: { memoryBytes: G } }).limits.memoryBytes, G)
    assert.strictEqual(grant({ REDD_MEMORY: "90G" }, {}, 2).limits.memoryBytes, 45 * G)
  })
  it("what it asks for, where nothing is limited", () => {
    assert.strictEqual(grant({ REDD_MEMORY: "2G" }).limits.memoryBytes, 2 * G)
  })
  it("a /tmp in RAM of no more than its memory", () => {
    assert.strictEqual(grant({ REDD_MEMORY: "1G", REDD_TMP_SIZE: "2G" }).tmpSizeBytes, G)
  })
  it("less network than it could have, and never more", () => {
    assert.strictEqual(grant({ REDD_NETWORK: "none" }).network, "none")
    const refused = grant({ REDD_NETWORK: "host" }, { gitlab: { network: "none" } })
    assert.deepStrictEqual([refused.network, refused.remarks.length], ["none", 1])
  })
})

describe("a wish that makes no sense", () => {
  it.each([
    ["REDD_MEMORY", "much"],
    ["REDD_MEMORY", "-1"],
    ["REDD_MEMORY", "512"],
    ["REDD_CPUS", "0.001"],
    ["REDD_CPUS", "0"],
    ["REDD_CPUS", "1e9"],
    ["REDD_TMP_SIZE", "1G\n--bind=/"],
    ["REDD_NETWORK", "bridge"],
    ["REDD_KEEP", "always"]
  ])("%s=%j is the author's to correct", (variable, value) => {
    const error = Effect.runSync(Effect.flip(read({ [variable]: value })))
    assert.include(error.message, variable)
    assert.notInclude(error.message, "\n")
  })
  it("an empty one is none", () => {
    assert.isUndefined(Effect.runSync(read({ REDD_MEMORY: "" })).memoryBytes)
  })
})
