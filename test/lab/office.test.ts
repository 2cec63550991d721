/**
 * LibreOffice Impress, whose launcher can be killed and what shows goes on: what slices are for.
 *
 * Not one of the tests that `npm test` runs, since its packages are half a gigabyte: `npm test -- test/lab/office.test.ts`.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { fullSuite, succeeds, until, withPackages } from "./Lab.ts"
import { officePackages } from "./setup.ts"

const host = () => withPackages(fullSuite(), ...officePackages)
const folder = "/srv/office"
const sh = async (script: string) => (await succeeds(host().run(["/bin/sh", "-ec", script]))).stdout
const player = (...args: ReadonlyArray<string>) => host().run([`${host().repository}/bin/redd`, "player", ...args])
/** The process that shows; nothing else of LibreOffice is called so. */
const shows = async () => (await host().run(["pgrep", "--exact", "soffice.bin"])).stdout.trim()
const impress = ["soffice", "--headless", "--norestore", "--nolockcheck"]

/** A presentation of one slide, as Impress itself writes one from text that we can read. */
const makeTalk = `mkdir -p ${folder}/media
cat >${folder}/talk.fodp <<'END'
<?xml version="1.0" encoding="UTF-8"?>
<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0" office:version="1.3"
 office:mimetype="application/vnd.oasis.opendocument.presentation">
<office:body><office:presentation><draw:page draw:name="one">
<draw:frame svg:width="10cm" svg:height="2cm" svg:x="1cm" svg:y="1cm"><draw:text-box><text:p>hello</text:p></draw:text-box></draw:frame>
</draw:page></office:presentation></office:body></office:document>
END
${impress.join(" ")} --convert-to odp --outdir ${folder} ${folder}/talk.fodp
test -s ${folder}/talk.odp`

beforeAll(() => sh(makeTalk), 300_000)
afterAll(async () => assert.strictEqual(await shows(), ""))

describe("LibreOffice Impress", () => {
  it("goes on when its launcher is killed", async () => {
    await sh(`setsid ${impress.join(" ")} ${folder}/talk.odp >/dev/null 2>&1 & echo $! >${folder}/launcher`)
    await until("it shows", async () => (await shows()) !== "")
    await sh(`kill -KILL $(cat ${folder}/launcher)`)
    await until("its launcher is gone", async () =>
      (await sh(`ls /proc/$(cat ${folder}/launcher) 2>&1 || :`)).includes("No such")
    )
    const orphan = await shows()
    assert.match(orphan, /^\d+$/)
    await sh(`kill -KILL ${orphan}`)
    await until("it is gone", async () => (await shows()) === "")
  }, 120_000)

  it.each(["system", "standalone"])(
    "is gone when its player is stopped, held by %s",
    async (manager) => {
      await succeeds(player("start", "talk", "--manager", manager, "--", ...impress, `${folder}/talk.odp`))
      await until("it shows", async () => (await shows()) !== "")
      await succeeds(player("stop", "talk", "--manager", manager))
      assert.strictEqual(await shows(), "")
      assert.strictEqual(JSON.parse((await succeeds(player("list", "--json"))).stdout).length, 0)
    },
    120_000
  )

  it("shows the newest of what lies in a folder, and only that", async () => {
    await sh(`cat >${folder}/signage.yaml <<END
path: ${folder}/media
settle: 200ms
players:
  odp: [${[...impress, '"{newest}"'].join(", ")}]
END
cp ${folder}/talk.odp ${folder}/media/one.odp`)
    const redd = `${host().repository}/bin/redd`
    const watching = host().start([redd, "player", "watch", "lobby", "--signage", `${folder}/signage.yaml`])
    await until("the first shows", async () => /^\d+$/.test(await shows()))
    const first = await shows()
    await sh(`cp ${folder}/talk.odp ${folder}/media/two.odp`)
    await until("the second shows", async () => /^\d+$/.test(await shows()) && (await shows()) !== first)
    assert.include(await sh(`tr '\\0' ' ' </proc/$(pgrep --exact soffice.bin)/cmdline`), "two.odp")
    await succeeds(player("stop", "lobby"))
    assert.strictEqual(await shows(), "")
    await watching.outcome
  }, 120_000)
})
