import { assert, describe, it } from "@effect/vitest"
import { maskedUnits, nspawnArguments } from "../../../src/engine/NspawnArguments.ts"
import { keyOf, MachineId, type MachineRecord } from "../../../src/record/MachineRecord.ts"

const id = MachineId.make("job")
const record: MachineRecord = {
  version: 1,
  id,
  key: keyOf("/state", id),
  root: "/state",
  image: "trixie",
  generation: "/state/images/trixie",
  backend: "btrfs",
  engine: "managed",
  isolation: "users",
  range: 655_360,
  ownership: "map",
  boot: "init",
  bootTimeoutMs: 90_000,
  network: "host",
  binds: [],
  environment: { SECRET: "never in an argument" },
  limits: {},
  hostname: "job",
  machineId: "0".repeat(32),
  registered: true,
  cgroup: "/sys/fs/cgroup/machine.slice/x",
  createdMs: 0,
  bootId: "9d1f5f6c"
}

describe("systemd-nspawn's arguments", () => {
  it("give the machine its range, and its own name", () => {
    const args = nspawnArguments(record)
    assert.include(args, "--private-users=655360:65536")
    assert.include(args, "--private-users-ownership=map")
    assert.include(args, `--machine=${record.key}`)
    assert.include(args, "--settings=no")
  })
  it("never hold a variable of the environment", () => {
    assert.notInclude(nspawnArguments(record).join(" "), "SECRET")
  })
  it("mask for init, nothing for full, and end in the door's shell for none", () => {
    for (const unit of maskedUnits) assert.include(nspawnArguments(record), `systemd.mask=${unit}`)
    assert.notInclude(nspawnArguments({ ...record, boot: "full" }).join(" "), "systemd.mask")
    assert.deepStrictEqual(nspawnArguments({ ...record, boot: "none" }).slice(-2), ["/bin/sh", "/run/redd/door"])
  })
  it("keep colons and backslashes of a bind apart from its separators", () => {
    const bind = { source: "/a:b\\c", target: "/t", writable: false }
    assert.include(nspawnArguments({ ...record, binds: [bind] }), "--bind-ro=/a\\:b\\\\c:/t:idmap")
  })
})
