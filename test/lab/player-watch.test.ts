/** `redd player watch`: one player at a time, of what is newest, and nothing of it afterwards. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { fullSuite, inMounts, lab, type Running, succeeds, until } from "./Lab.ts"

const host = () => lab(fullSuite())
const redd = `${host().repository}/bin/redd`
const folder = `/srv/watched-${process.pid}`
const media = `${folder}/media`
const programs = `${folder}/programs`
const sh = async (script: string) => (await succeeds(host().run(["/bin/sh", "-ec", script, folder]))).stdout
const watch = (...args: ReadonlyArray<string>): Running => host().start([redd, "player", "watch", "lobby", ...args])

/** A player, and not what is about to become one. */
const player = `^[^ ]*perl -e sleep 1000 ${folder}`
/** What plays: the arguments of each player, of which there should be one. */
const playing = async (): Promise<ReadonlyArray<string>> => {
  const { stdout } = await host().run(["pgrep", "--list-full", "--full", "--", player])
  return stdout
    .split("\n")
    .flatMap((line) => /perl -e sleep 1000 (.*)$/.exec(line)?.[1] ?? [])
    .sort()
}
const pid = async () => (await host().run(["pgrep", "--full", "--", player])).stdout.trim()
const plays = (what: string, wanted: ReadonlyArray<string>) =>
  until(what, async () => JSON.stringify(await playing()) === JSON.stringify(wanted))

beforeAll(() => sh('mkdir -p "$0/media"'))
afterAll(async () => {
  assert.deepStrictEqual(await playing(), [])
  assert.strictEqual((await host().run(["/bin/sh", "-c", "ls /run/redd/players | grep '^lobby.*json'"])).stdout, "")
  await sh('rm -r "$0"')
})

describe("redd player watch", () => {
  it("plays the newest of ten, each once it has come to rest, and one at a time", async () => {
    const running = watch("--path", media, "--", "perl", "-e", "sleep 1000", "{newest}")
    for (let turn = 1; turn <= 10; turn++) {
      // Every other one takes the place of what plays.
      const name = `${media}/${turn % 2 === 0 ? "same" : turn}.txt`
      const before = await pid()
      await sh(`echo ${turn} >"$0/new"; mv "$0/new" ${name}`)
      await until(`${turn} plays`, async () => (await pid()) !== before && (await playing()).length === 1)
      assert.deepStrictEqual(await playing(), [name])
    }
    const row = JSON.parse((await succeeds(host().run([redd, "player", "status", "lobby", "--json"]))).stdout)
    assert.strictEqual(row.state, "playing")
    const asked = await pid()
    await sh(`rm ${media}/remove-when-done`)
    await until("it plays anew", async () => (await pid()) !== asked && (await playing()).length === 1)
    await sh(`test -e ${media}/remove-when-done; rm ${media}/*.txt`)
    await plays("nothing plays", [])
    running.signal("SIGTERM")
    assert.strictEqual((await running.outcome).code, 143)
  }, 300_000)

  it("with a file, plays by type, and the fall-back where there is nothing; a player that fails ends nothing", async () => {
    await sh(`rm -f ${media}/*; cat >"$0/signage.yaml" <<END
path: ${media}
settle: 200ms
poll: 1s
players:
  pdf: [perl, -e, sleep 1000, "{newest}"]
  video: [no-such-player, "{newest}"]
fallback: [perl, -e, sleep 1000, ${folder}/signage.yaml]
END`)
    const running = watch("--signage", `${folder}/signage.yaml`)
    await plays("the fall-back plays", [`${folder}/signage.yaml`])
    await sh(`echo a >'${media}/a b.pdf'`)
    await plays("the PDF plays", [`${media}/a b.pdf`])
    await sh(`echo v >${media}/v.mp4`)
    await plays("nothing plays the film", [])
    await sh(`rm ${media}/v.mp4`)
    await plays("the PDF plays again", [`${media}/a b.pdf`])
    await succeeds(host().run([redd, "player", "stop", "lobby"]))
    const { code, stderr } = await running.outcome
    assert.strictEqual(code, 0, stderr)
    assert.include(stderr, "There is no command no-such-player")
    assert.deepStrictEqual(await playing(), [])
  }, 120_000)

  it("as a signage box, with the file and the unit of the example", async () => {
    const example = `${host().repository}/examples/signage`
    const play = (program: string) => `cat >${programs}/${program} <<'END'
#!/bin/sh
exec perl -e "sleep 1000" ${folder} ${program} "$@"
END
chmod 755 ${programs}/${program}`
    await sh(`mkdir -p ${programs} /srv/media\n${["mupdf", "mpv", "feh", "soffice"].map(play).join("\n")}`)
    // Its unit calls the redd of an installation.
    await succeeds(
      host().run([
        ...inMounts('mount -t tmpfs none /usr/local/bin; ln -s "$1" /usr/local/bin/redd; systemd-analyze verify "$2"'),
        redd,
        `${example}/redd-signage.service`
      ])
    )
    const running = host().start([redd, "player", "watch", "box", "--signage", `${example}/signage.yaml`], {
      environment: { PATH: `${programs}:/usr/bin:/bin` }
    })
    const fallback = "feh --fullscreen --auto-zoom /usr/share/signage/nothing.png"
    await plays("the fall-back plays", [`${folder} ${fallback}`])
    for (const [file, command] of [
      ["a.pdf", "mupdf /srv/media/a.pdf"],
      ["talk.odp", "soffice --norestore --nologo --show /srv/media/talk.odp"],
      ["b.mkv", "mpv --fullscreen --loop --no-terminal /srv/media/b.mkv"],
      ["2.jpg", "feh --fullscreen --auto-zoom --slideshow-delay 8 /srv/media/2.jpg"],
      ["10.JPG", "feh --fullscreen --auto-zoom --slideshow-delay 8 /srv/media/2.jpg /srv/media/10.JPG"]
    ] as const) {
      await sh(`echo x >/srv/media/${file}`)
      await plays(`${file} plays`, [`${folder} ${command}`])
    }
    await sh("rm /srv/media/*")
    await plays("the fall-back plays again", [`${folder} ${fallback}`])
    running.signal("SIGTERM")
    await running.outcome
    assert.deepStrictEqual(await playing(), [])
    await sh("rm -r /srv/media")
  }, 120_000)

  it("whose process is killed is stopped by its name, with its player", async () => {
    await sh(`rm -f ${media}/*; echo x >${media}/x.txt`)
    const running = watch("--path", media, "--", "perl", "-e", "sleep 1000", "{newest}")
    await plays("it plays", [`${media}/x.txt`])
    running.signal("SIGKILL")
    const row = async () =>
      JSON.parse((await succeeds(host().run([redd, "player", "status", "lobby", "--json"]))).stdout).state
    await until("it is seen", async () => (await row()) === "left")
    assert.strictEqual((await playing()).length, 1)
    await succeeds(host().run([redd, "player", "stop", "lobby"]))
    assert.deepStrictEqual(await playing(), [])
    await running.outcome
  }, 60_000)

  it.each([
    [[], "What is to be watched, or played, is missing"],
    [["--signage", "/no/such.yaml"], "there is no such file"],
    [["--path", "/srv", "--", "sh", "-c", "mpv {newest}"], "a shell would run what is in a file's name"],
    [["--signage", "/no/such.yaml", "--path", "/srv"], "says what is watched"]
  ])("%j is refused in a paragraph", async (args, says) => {
    const { code, stderr } = await watch(...args).outcome
    assert.strictEqual(code, 125)
    assert.include(stderr, says)
  })
})
