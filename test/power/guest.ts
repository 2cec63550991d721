/**
 * What runs in the VM: `load` makes and removes images and machines, several at a time, for ever; `check` looks at what
 * a power cut left, has redd gc take it away, and looks again.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Exec, Images, Machine, MachineRecord, Tool } from "../../src/index.ts"
import { differences, type Manifest, manifest } from "./Manifest.ts"
import { type Found, line, parts, type Phase, signature } from "./Progress.ts"

const root = "/var/lib/redd"
/** The VM is emulated, on processors that may have something else to do. */
const patience = Duration.minutes(5)
const source = "/srv/image"
const say = (worker: string, phase: Phase, subject: string) =>
  Effect.sync(() => console.log(line({ worker, phase, subject })))

/** Makes one image after the other, of parts of the source, and removes the last but two. */
const makeImages = (worker: string, boot: string) =>
  Effect.gen(function* () {
    const images = yield* Images.Images
    for (let n = 0; ; n++) {
      const name = MachineRecord.ImageName.make(`${worker}-${boot}-${n}`)
      yield* say(worker, "stage", name)
      yield* make(name, () => say(worker, "commit", name))
      yield* say(worker, "committed", name)
      if (n < 2) continue
      const old = `${worker}-${boot}-${n - 2}`
      yield* say(worker, "remove", old)
      yield* images.remove(old)
      yield* say(worker, "removed", old)
    }
  })

const make = (name: MachineRecord.ImageName, committing: () => Effect.Effect<void>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const images = yield* Images.Images
      const staged = yield* images.stage(name)
      yield* Tool.run("cp", ["--archive", "--parents", "--", ...parts, `${staged}/`], { folder: source })
      writeFileSync(`${staged}/${signature}`, name)
      yield* committing()
      yield* images.commit(name, staged, { as: "new" })
    })
  )

/** Prepares, uses and cleans up one machine after the other. */
const useMachines = (worker: string, boot: "init" | "none", n: string) =>
  Effect.gen(function* () {
    const id = MachineRecord.MachineId.make(`${worker}-${n}`)
    for (;;) {
      yield* say(worker, "prepare", id)
      const record = yield* Machine.acquire({ id, image: "trixie", boot, bootTimeout: patience })
      yield* say(worker, "ready", id)
      yield* say(worker, "run", id)
      const words = ["sh", "-c", "echo some output > /root/file; sync; cat /root/file"]
      const { stdout } = yield* Exec.collect(record, { _tag: "Words", words }, { mostBytes: 100 })
      if (stdout !== "some output\n") throw new Error(`${id} said ${stdout}`)
      yield* say(worker, "cleanup", id)
      yield* Machine.release(id)
      yield* say(worker, "gone", id)
    }
  })

const load = (boot: string) =>
  Effect.gen(function* () {
    const images = yield* Images.Images
    const there = (yield* images.list).map(({ name }) => name)
    // Those of earlier boots have been looked at.
    yield* Effect.forEach(
      there.filter((name) => name !== "trixie"),
      images.remove,
      { discard: true }
    )
    yield* say("all", "load", boot)
    yield* Effect.all(
      [
        makeImages("maker-a", boot),
        makeImages("maker-b", boot),
        useMachines("user-a", "init", boot),
        useMachines("user-b", "none", boot),
        useMachines("user-c", "none", boot)
      ],
      { concurrency: "unbounded" }
    )
  })

const redd = (...args: ReadonlyArray<string>) => spawnSync("redd", args, { encoding: "utf8" })

const check = (): Found => {
  const list = redd("list", "--json")
  const names: ReadonlyArray<{ readonly name: string }> = JSON.parse(redd("image", "list", "--json").stdout)
  const whole: Manifest = JSON.parse(readFileSync("/redd/manifest.json", "utf8"))
  const found = names.map(({ name }) => {
    const tree = `${root}/images/${name}`
    // The image that was there from the beginning is looked at as far as the others go.
    const { [signature]: signed, ...rest } = manifest(tree, parts)
    const isRight = name === "trixie" || (signed !== undefined && readFileSync(`${tree}/${signature}`, "utf8") === name)
    return { name, differs: [...differences(whole, rest), ...(isRight ? [] : [`${signature}: not of ${name}`])] }
  })
  const gc = redd("gc", "--json")
  const answer = gc.stdout === "" ? { released: [], deleted: [] } : JSON.parse(gc.stdout)
  return {
    images: found,
    list: { code: list.status ?? -1, machines: JSON.parse(list.stdout || "[]").length, said: list.stderr },
    gc: {
      code: gc.status ?? -1,
      released: answer.released.length,
      deleted: answer.deleted.length,
      said: gc.stderr
    },
    left: left(names.map(({ name }) => name))
  }
}

/** Machines by the question of the lab tests; and what of images no name leads to. */
const left = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const asked = spawnSync("/bin/sh", ["/redd/question", root, ""], { encoding: "utf8" })
  if (asked.status !== 0) throw new Error(asked.stderr)
  const generations = new Set(names.map((name) => realpathSync(`${root}/images/${name}`)))
  const kept = list(`${root}/images/.generations`).flatMap((folder) => {
    const trees = list(folder)
    return trees.length === 0 ? [folder] : trees
  })
  const subvolumes = spawnSync("btrfs", ["subvolume", "list", root], { encoding: "utf8" })
    .stdout.split("\n")
    .flatMap((text) => / path (.+)$/.exec(text)?.[1] ?? [])
    .map((path) => `${root}/${path}`)
  return [
    ...asked.stdout.split("\n").filter((text) => text !== ""),
    ...list(`${root}/images/.staging`).map((path) => `staging: ${path}`),
    ...kept.filter((path) => !generations.has(path)).map((path) => `generation: ${path}`),
    ...subvolumes.filter((path) => !generations.has(path)).map((path) => `subvolume: ${path}`)
  ]
}

const list = (folder: string): ReadonlyArray<string> =>
  (existsSync(folder) ? readdirSync(folder) : []).map((name) => `${folder}/${name}`).sort()

const started = performance.now()
const [task, boot = "0"] = process.argv.slice(2)
if (task === "check") {
  console.log(`power-found: ${JSON.stringify(check())}`)
  console.log(`power-checked: in ${Math.round((performance.now() - started) / 1000)} s`)
} else {
  await Effect.runPromise(Effect.provide(load(boot), Machine.layer(root))).catch((cause: unknown) => {
    console.log(`power-failed: ${String(cause)}`)
  })
}
