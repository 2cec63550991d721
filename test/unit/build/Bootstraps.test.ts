import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Bootstraps from "../../../src/build/Bootstraps.ts"
import { debianArguments } from "../../../src/build/Debian.ts"
import type { BootstrapSpec } from "../../../src/build/Definition.ts"
import { ImageName } from "../../../src/record/MachineRecord.ts"

const context = { definitionFolder: "/etc/redd/images", generationOf: () => Effect.succeed("/nowhere") }

const specs: ReadonlyArray<readonly [BootstrapSpec, string]> = [
  [{ mmdebstrap: { suite: "trixie" } }, "mmdebstrap of trixie"],
  [{ debootstrap: { suite: "trixie" } }, "debootstrap of trixie"],
  [{ tarball: { path: "a.tar" } }, "the archive /etc/redd/images/a.tar"],
  [{ tarball: { path: "/srv/a.tar" } }, "the archive /srv/a.tar"],
  [{ tarball: { url: "https://example.org/a.tar", sha256: "0" } }, "the archive https://example.org/a.tar"],
  [{ oci: { layout: "layout", tag: "1" } }, "the OCI image 1 in /etc/redd/images/layout"],
  [{ clone: ImageName.make("other") }, "a clone of other"],
  [{ command: ["dnf", "{root}"] }, "the command dnf"]
]
it.each(specs)("%j", (spec, expected) => assert.strictEqual(Bootstraps.of(spec, context).description, expected))

it("debootstrap's words", () => {
  const options = {
    suite: "trixie",
    variant: "buildd",
    include: ["git"],
    components: ["main", "contrib"],
    mirror: "http://m/"
  }
  assert.deepStrictEqual(debianArguments(options, "/t"), [
    "--variant=buildd",
    "--include=systemd,systemd-sysv,dbus,git",
    "--components=main,contrib",
    "trixie",
    "/t",
    "http://m/"
  ])
})
