import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { cgroups } from "../../../src/doctor/Cgroups.ts"
import { cloning } from "../../../src/doctor/Cloning.ts"
import type { Finding } from "../../../src/doctor/Finding.ts"
import { idRanges } from "../../../src/doctor/IdRanges.ts"
import { type ImageFacts, images } from "../../../src/doctor/Images.ts"
import { machines } from "../../../src/doctor/Machines.ts"
import { settings } from "../../../src/doctor/Settings.ts"
import { stateFolder } from "../../../src/doctor/StateFolder.ts"
import { tools } from "../../../src/doctor/Tools.ts"
import { versions } from "../../../src/doctor/Versions.ts"

const statuses = (findings: ReadonlyArray<Finding>) => findings.map(({ check, status }) => `${check}: ${status}`)

const versionsOf = (systemd: number, utilLinux: readonly [number, number], kernel: readonly [number, number]) =>
  versions(
    { systemd: Option.some([systemd, 0]), utilLinux: Option.some(utilLinux), kernel: Option.some(kernel) },
    "users"
  )

describe("versions", () => {
  it("of Debian 13 and 12 are good, and say what the older mount lacks", () => {
    assert.deepStrictEqual(statuses(versionsOf(257, [2, 41], [6, 12])), ["systemd: ok", "util-linux: ok", "kernel: ok"])
    assert.include(versionsOf(252, [2, 38], [6, 1])[1]?.message, "the overlay backend cannot be used")
    assert.notInclude(versionsOf(257, [2, 39], [6, 12])[1]?.message, "overlay")
  })
  it("that are too old fail, or warn", () => {
    assert.deepStrictEqual(statuses(versionsOf(247, [2, 36], [5, 10])), [
      "systemd: failed",
      "util-linux: ok",
      "kernel: failed"
    ])
    assert.deepStrictEqual(statuses(versionsOf(249, [2, 37], [5, 14])), [
      "systemd: warning",
      "util-linux: ok",
      "kernel: warning"
    ])
  })
  it("that nobody tells are no finding", () => {
    const none = Option.none()
    assert.deepStrictEqual(versions({ systemd: none, utilLinux: none, kernel: none }, "users"), [])
  })
})

const nowhere = (legacy: boolean) => cgroups({ mountPoint: Option.none(), legacy, missing: [], table: "" })[0]

describe("cgroups", () => {
  const header = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
  const of = (table: string, missing: ReadonlyArray<string> = ["memory"]) =>
    cgroups({ mountPoint: Option.some("/sys/fs/cgroup"), legacy: true, missing, table: header + table })
  it("that are mounted nowhere fail, and can be mounted where there is room for it", () => {
    assert.strictEqual(nowhere(false)?.status, "failed")
    assert.strictEqual(nowhere(false)?.remedy, "mount -t cgroup2 none /sys/fs/cgroup")
    assert.deepStrictEqual(nowhere(true)?.mend, { _tag: "MountCgroups", path: "/sys/fs/cgroup/unified" })
  })
  it("with every controller enforce limits", () => {
    assert.deepStrictEqual(statuses(of("", [])), ["cgroups: ok", "controllers: ok"])
  })
  it("without one say why it is not there", () => {
    assert.include(of("memory\t0\t36\t0\n")[1]?.remedy, "cgroup_enable=memory")
    assert.include(of("memory\t4\t36\t1\n")[1]?.remedy, "systemd.unified_cgroup_hierarchy=1")
    assert.include(of("memory\t0\t36\t1\n")[1]?.remedy, "delegate")
    assert.strictEqual(of("memory\t0\t36\t0\n")[1]?.status, "warning")
  })
})

describe("ranges of ids", () => {
  it("are free where nobody has them", () => {
    assert.include(idRanges({ taken: [], reserved: [] }, 16).message, "28664 of 28664 ranges")
  })
  it("are lost to users that overlap them, however they lie, and counted once", () => {
    const reserved = [[100_000, 165_536] as const, [589_000, 590_000] as const, [524_288, 655_360] as const]
    const found = idRanges({ taken: [524_288, 655_360], reserved }, 16)
    assert.include(found.message, "28661 of 28664 ranges of ids are free; 1 in use, 2 given to users")
  })
  it("that are few are a warning, and none a failure", () => {
    assert.strictEqual(idRanges({ taken: [], reserved: [[0, 1_879_048_192 - 65_536 * 3]] }, 16).status, "warning")
    assert.strictEqual(idRanges({ taken: [], reserved: [[0, 4_294_967_295]] }, 16).status, "failed")
  })
})

const folderOf = (facts: { readonly freeBytes?: number; readonly freeFiles?: number; readonly readOnly?: boolean }) =>
  stateFolder(
    {
      root: "/state",
      readOnly: facts.readOnly ?? false,
      space: {
        magic: 0,
        freeBytes: facts.freeBytes ?? 2 ** 40,
        sizeBytes: 2 ** 41,
        inodes: facts.freeFiles === undefined ? 0 : 2_000_000,
        freeInodes: facts.freeFiles ?? 0
      }
    },
    2 ** 28
  )

describe("the state folder", () => {
  it("with room is good, and where inodes have no limit there is no word of them", () => {
    assert.deepStrictEqual(statuses(folderOf({})), ["state: ok", "space: ok"])
    assert.deepStrictEqual(statuses(folderOf({ freeFiles: 1_000_000 })), ["state: ok", "space: ok", "inodes: ok"])
  })
  it("with little left is a warning, below the reserve a failure, as prepare's", () => {
    assert.strictEqual(folderOf({ freeBytes: 2 ** 29 })[1]?.status, "warning")
    assert.strictEqual(folderOf({ freeBytes: 2 ** 27 })[1]?.status, "failed")
    assert.include(folderOf({ freeBytes: 2 ** 27 })[1]?.message, "the reserve of 256M")
    assert.strictEqual(folderOf({ freeFiles: 500 })[2]?.status, "warning")
    assert.strictEqual(folderOf({ freeFiles: 0 })[2]?.status, "failed")
  })
  it("that is read-only is a failure", () => assert.strictEqual(folderOf({ readOnly: true })[0]?.status, "failed"))
})

describe("tools", () => {
  const needed = [{ tool: "mount" }, { tool: "mmdebstrap", without: "redd image create does not work" }]
  it("that are all there are one finding", () => {
    assert.deepStrictEqual(statuses(tools({ missing: [], needed })), ["tools: ok"])
  })
  it("that are missing name their package; only what machines need is a failure", () => {
    const missing = [
      { tool: "mount", package: "mount" },
      { tool: "mmdebstrap", package: "mmdebstrap" }
    ]
    assert.deepStrictEqual(statuses(tools({ missing, needed })), ["mount: failed", "mmdebstrap: warning"])
    assert.strictEqual(tools({ missing, needed })[1]?.remedy, "apt-get install mmdebstrap")
  })
})

describe("the backend", () => {
  it("says why not a better one", () => {
    const found = cloning({ fileSystem: "xfs", chosen: Option.some("reflink"), reasons: ["btrfs: no", "overlay: old"] })
    assert.strictEqual(found.status, "ok")
    assert.strictEqual(found.message, "reflink on xfs (btrfs: no; overlay: old)")
  })
  it("is a warning where it copies, a failure where the one that was asked for does not fit", () => {
    assert.strictEqual(cloning({ fileSystem: "ext", chosen: Option.some("copy"), reasons: [] }).status, "warning")
    assert.strictEqual(cloning({ fileSystem: "ext", chosen: Option.none(), reasons: ["btrfs: no"] }).status, "failed")
  })
})

describe("images", () => {
  const whole: ImageFacts = { name: "i", usable: true, init: true, bus: true, osRelease: true, plain: false }
  it("none is a failure, a whole one is good", () => {
    assert.deepStrictEqual(statuses(images([])), ["images: failed"])
    assert.deepStrictEqual(statuses(images([whole])), ["images: ok"])
  })
  it.each([
    [{ usable: false }, "no root tree"],
    [{ osRelease: false }, "no os-release"],
    [{ init: false, bus: false, osRelease: false }, "runs without an init"],
    [{ bus: false }, "no D-Bus"],
    [{ plain: true }, "not a subvolume"]
  ])("one that lacks something is a warning of its own: %j", (lacks, said) => {
    const found = images([whole, { ...whole, name: "j", ...lacks }])
    assert.deepStrictEqual(statuses(found), ["images: ok", "image j: warning"])
    assert.include(found[1]?.message, said)
  })
  it("where none can be used, prepare would fail", () => {
    assert.deepStrictEqual(statuses(images([{ ...whole, usable: false }])), ["images: failed", "image i: warning"])
  })
})

describe("machines", () => {
  it("that are stale are gc's, and named with the reason", () => {
    const [found] = machines({ alive: 1, stale: [{ id: "job 7", reason: "dead" }], strays: [], unreadable: [] })
    assert.strictEqual(found?.status, "warning")
    assert.include(found?.message, '"job 7" (dead)')
    assert.strictEqual(found?.remedy, "redd gc")
    assert.deepStrictEqual(found?.mend, { _tag: "Collect" })
  })
  it("whose record cannot be read are each a warning", () => {
    const unreadable = [{ message: "Cannot read it.", hint: "repair it" }]
    const found = machines({ alive: 0, stale: [], strays: ["x-1"], unreadable })
    assert.deepStrictEqual(statuses(found), ["machines: ok", "strays: warning", "record: warning"])
  })
})

it("nspawn files are said to be unused, and are no reason to worry", () => {
  assert.deepStrictEqual(settings([]), [])
  assert.deepStrictEqual(statuses(settings(["/etc/systemd/nspawn/x.nspawn"])), ["nspawn files: ok"])
})
