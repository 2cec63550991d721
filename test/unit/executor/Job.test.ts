import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "fast-check"
import * as Contract from "../../../adapters/executor/Contract.ts"
import * as Job from "../../../adapters/executor/Job.ts"

const contract = (variables: Readonly<Record<string, string>> = {}) =>
  Contract.read(Object.fromEntries(Object.entries(variables).map(([name, value]) => [`CUSTOM_ENV_${name}`, value])))

const job = (response: unknown, variables?: Readonly<Record<string, string>>) =>
  Effect.runSync(
    Effect.flatMap(Job.parse("response.json", JSON.stringify(response)), (parsed) =>
      Job.describe(contract(variables), parsed)
    )
  )

const said = (text: string): string =>
  Effect.runSync(Effect.flip(Effect.asVoid(Job.parse("response.json", text)))).message

const response = {
  id: 12,
  token: "glcbt-secret",
  job_info: { project_id: 5, project_name: "x" },
  git_info: { repo_url: "https://gitlab-ci-token:glcbt-secret@gitlab.example.com/a/b.git", protected: false },
  runner_info: { timeout: 3600 },
  image: { name: "debian:$TAG", entrypoint: null },
  services: [{ name: "postgres:16" }],
  variables: [
    { key: "TAG", value: "sid" },
    { key: "TAG", value: "trixie" }
  ],
  something: { new: true }
}

describe("the machine's id", () => {
  it("has job, runner and server in it", () => {
    assert.strictEqual(job(response, { CI_RUNNER_ID: "7" }).id, "job-12.runner-7.gitlab.example.com")
  })
  it("differs between two GitLabs, two ports of one host, two runners, two jobs", () => {
    const at = (repo_url: string) => job({ ...response, git_info: { repo_url } }, { CI_RUNNER_ID: "7" }).id
    const ids = [
      at("https://a.example/x.git"),
      at("https://b.example/x.git"),
      at("https://a.example:8443/x.git"),
      job({
        ...response,
        git_info: { repo_url: "https://a.example/one/g/p.git" },
        job_info: { project_full_path: "g/p" }
      }).id,
      job({
        ...response,
        git_info: { repo_url: "https://a.example/two/g/p.git" },
        job_info: { project_full_path: "g/p" }
      }).id,
      job({ ...response, id: 13 }).id,
      job(response).id,
      job(response, { CI_RUNNER_ID: "8" }).id
    ]
    assert.strictEqual(new Set(ids).size, ids.length)
  })
  it("a forged variable reaches neither the job's number nor its server", () => {
    const forged = { CI_JOB_ID: "999", CI_SERVER_HOST: "evil.example", CI_RUNNER_ID: "../7\n" }
    assert.strictEqual<string>(job(response, forged).id, "job-12.gitlab.example.com")
  })
  it("is what config said, where it said one", () => {
    const given = Contract.read({
      REDD_GITLAB_ID: "mine",
      CUSTOM_ENV_CI_JOB_ID: "1",
      CUSTOM_ENV_REDD_GITLAB_ID: "forged"
    })
    assert.strictEqual<string>(Effect.runSync(Job.machineId(given)), "mine")
  })
  it("comes from variables where the runner gives no response", () => {
    const found = Effect.runSync(
      Job.read(contract({ CI_JOB_ID: "3", CI_SERVER_HOST: "old.example", CI_JOB_IMAGE: "sid" }))
    )
    assert.deepInclude<object>(found, { id: "job-3.old.example", image: "sid", isTrusted: false, cache: undefined })
  })
  it("is a machine id whatever the server's address is", () => {
    fc.assert(
      fc.property(fc.oneof(fc.webUrl(), fc.string()), (repo_url) => {
        const { cache, id } = job({ ...response, git_info: { repo_url } })
        assert.match(id, /^job-12\.[a-z0-9._+-]{1,150}$/)
        for (const part of cache ?? []) assert.match(part, /^[^./][^/]*$/)
      })
    )
  })
  it.each([[{}], [{ CI_JOB_ID: "" }], [{ CI_JOB_ID: "-1" }], [{ CI_JOB_ID: "../x" }]])(
    "needs a job: %j",
    (variables) => {
      assert.isTrue(Exit.isFailure(Effect.runSyncExit(Job.read(contract(variables)))))
    }
  )
})

describe("what else a job response says", () => {
  it("the image, with variables put in, the last of one name", () => {
    assert.strictEqual(job(response).image, "debian:trixie")
    assert.strictEqual(job({ ...response, image: { name: "${TAG}$NONE" } }).image, "trixie")
  })
  it.each([[null], [{}], [{ name: "" }], [{ name: " " }], [{ name: "$NONE" }]])("%j is no image", (image) => {
    assert.isUndefined(job({ ...response, image }).image)
  })
  it("a variable of that name is not an image", () => {
    assert.isUndefined(job({ ...response, image: null }, { CI_JOB_IMAGE: "forged" }).image)
  })
  it("caches apart for each project, and for protected branches", () => {
    assert.deepStrictEqual(job(response).cache, ["gitlab.example.com", "5", "unprotected"])
    const protectedOne = job({ ...response, git_info: { ...response.git_info, protected: true } })
    assert.deepStrictEqual(protectedOne.cache, ["gitlab.example.com", "5", "protected"])
  })
  it("an older runner's has less, and that is enough", () => {
    assert.deepInclude(job({ id: 1 }), { services: [], timeoutSeconds: 7200, isTrusted: true })
  })
  it("services and the time-out", () => {
    assert.deepInclude(job(response), { services: ["postgres:16"], timeoutSeconds: 3600 })
  })
})

describe("a job response that makes no sense", () => {
  it("is said to, by file and place, and never by what is in it", () => {
    assert.include(said("{ no"), "response.json is not JSON")
    const wrong = said(JSON.stringify({ ...response, id: "glcbt-secret", image: { name: 5 } }))
    assert.include(wrong, "at id, image.name")
    assert.notInclude(wrong, "secret")
  })
})
