/** What `redd doctor` finds, what it mends, and what a prepare that failed says of the host. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import {
  fullSuite,
  type Host,
  inMounts,
  lab,
  left,
  type State,
  state,
  succeeds,
  thisMachine,
  until,
  without
} from "./Lab.ts"

interface Finding {
  readonly status: string
  readonly check: string
  readonly message: string
  readonly remedy: string
}

/** What doctor prints as JSON, and its exit code. `around` is a shell script that runs `"$@"`, in mounts of its own. */
const examine = async (here: State, options: { readonly around?: string } = {}) => {
  const command = [`${here.host.repository}/bin/redd`, "doctor", "--json"]
  const script = [...inMounts(options.around ?? '"$@"'), ...command]
  const outcome = await here.host.run(script, { environment: { REDD_ROOT: here.root } })
  const findings: ReadonlyArray<Finding> = JSON.parse(outcome.stdout)
  return {
    ...outcome,
    findings,
    /** The findings of a check. */
    of: (check: string) => findings.filter((found) => found.check === check)
  }
}

const shell = (host: Host, script: string, ...args: ReadonlyArray<string>) =>
  succeeds(host.run(["/bin/sh", "-ec", script, "shell", ...args]))

/** Puts a file over one of /proc/sys, for the command that follows alone. */
const pretend = (parameter: string, value: number) => {
  const file = `/run/pretend-${parameter.replaceAll("/", "-")}`
  return `echo ${value} >${file}; mount --bind ${file} /proc/sys/${parameter}; `
}
const enough = pretend("fs/inotify/max_user_instances", 8192)

describe.each([
  ["a lab", () => lab(fullSuite())],
  ["this machine", thisMachine]
] as const)("on %s", (_, host) => {
  let here: State
  beforeAll(() => {
    here = state(host(), "btrfs")
  })
  afterAll(async () => assert.deepStrictEqual(await left(here), []))

  it("every check has its say, and the exit code is that of the worst", async () => {
    const { code, findings, stderr } = await examine(here)
    assert.strictEqual(stderr, "")
    const checks = new Set(findings.map(({ check }) => check))
    const expected =
      "root systemd util-linux kernel engine cgroups controllers isolation inotify keyrings ptys namespaces state space backend images machines"
    for (const check of [...expected.split(" "), "id ranges", "image bare"]) assert.include([...checks], check)
    assert.deepStrictEqual(
      [...new Set(findings.map((found) => Object.keys(found).join()))],
      ["status,check,message,remedy"]
    )
    assert.strictEqual(code, findings.some(({ status }) => status === "failed") ? 125 : 0)
    assert.strictEqual(code, 0, JSON.stringify(findings))
  })
  it("whatever is not ok has a remedy", async () => {
    const { findings } = await examine(here)
    for (const found of findings) assert.strictEqual(found.remedy === "", found.status === "ok", JSON.stringify(found))
  })
  it("says the same to a person, the remedy below each finding", async () => {
    const { stdout } = await succeeds(here.redd("doctor"))
    assert.match(stdout, /^warning {2}image bare: has no systemd as its \/sbin\/init.*\n +mend it: redd image create/m)
  })
})

describe("a host that lacks something", () => {
  let here: State
  beforeAll(async () => {
    here = state(lab(fullSuite()), "btrfs")
    await shell(
      here.host,
      `cd "$1/images"; for name in no-release no-bus plain; do btrfs -q subvolume create $name; cp -a --reflink=always bare/. $name; done
      mkdir -p no-release/usr/lib/systemd no-bus/usr/lib/systemd no-release/usr/sbin no-bus/usr/sbin
      for name in no-release no-bus; do touch $name/usr/lib/systemd/systemd; ln -s ../lib/systemd/systemd $name/usr/sbin/init; done
      rm -f no-release/etc/os-release no-release/usr/lib/os-release; ln -s /etc/os-release no-release/usr/lib/os-release
      btrfs -q subvolume delete plain; mkdir plain; cp -a --reflink=always bare/. plain; mkdir nothing`,
      here.root
    )
  })
  afterAll(async () => assert.deepStrictEqual(await left(here), []))

  it("is told of each image what it lacks, links in it followed inside", async () => {
    const { code, of } = await examine(here)
    assert.strictEqual(code, 0)
    assert.include(of("image bare")[0]?.message, "runs without an init")
    // The link leads to the lab's own os-release for who follows it from outside.
    assert.include(of("image no-release")[0]?.message, "no os-release")
    assert.include(of("image no-bus")[0]?.message, "no D-Bus")
    assert.include(of("image plain")[0]?.message, "not a subvolume")
    assert.include(of("image nothing")[0]?.message, "no root tree")
    assert.deepStrictEqual(of("image trixie"), [])
  })
  it("without an image is told how to make one, and fails", async () => {
    const { code, of } = await examine(here, { around: 'mount -t tmpfs none "$REDD_ROOT/images"; "$@"' })
    assert.strictEqual(code, 125)
    assert.include(of("images")[0]?.remedy, "redd image create")
  })
  it("with a read-only state folder fails", async () => {
    const around = 'mount --bind "$REDD_ROOT" "$REDD_ROOT"; mount -o remount,bind,ro "$REDD_ROOT"; "$@"'
    const { code, of } = await examine(here, { around })
    assert.strictEqual(code, 125)
    assert.strictEqual(of("state")[0]?.status, "failed")
    assert.include(of("state")[0]?.message, "read-only")
    assert.include(of("state")[0]?.remedy, "mount -o remount,rw")
  })
  it.each([
    ["space", "size=64k", "printf x >$m/x; head -c 1M /dev/zero >$m/fill || true", "failed"],
    ["space", "size=500M", ":", "warning"],
    ["inodes", "size=2G,nr_inodes=40", ":", "failed"],
    ["inodes", "size=2G,nr_inodes=5000", ":", "warning"]
  ])("%s: a file system of %s", async (check, options, fill, status) => {
    const around = `m=/run/doctor-full; mkdir -p $m; mount -t tmpfs -o ${options} none $m; ${fill}; export REDD_ROOT=$m; "$@"`
    const { of } = await examine(here, { around })
    assert.strictEqual(of(check)[0]?.status, status, JSON.stringify(of(check)))
  })
  it("without cgroup v2 fails; --fix mounts it, and a second time finds nothing to do", async () => {
    const without = `${enough}umount --recursive /sys/fs/cgroup; `
    const { code, of } = await examine(here, { around: `${without}"$@"` })
    assert.strictEqual(code, 125)
    assert.strictEqual(of("cgroups")[0]?.remedy, "mount -t cgroup2 none /sys/fs/cgroup")
    const fixed = await examine(here, { around: `${without}"$@" --fix` })
    assert.include(fixed.stderr, "mounted cgroup v2 at /sys/fs/cgroup")
    assert.strictEqual(fixed.of("cgroups")[0]?.status, "ok")
    assert.strictEqual(fixed.code, 0)
    const twice = await examine(here, { around: `${without}"$@" --fix >/dev/null 2>&1; "$@" --fix` })
    assert.strictEqual(twice.stderr, "redd: there is nothing that --fix can mend\n")
  })
  it("without a tool is told its package", async () => {
    const { code, of } = await examine(here, { around: without("mkfifo") })
    assert.strictEqual(code, 125)
    assert.strictEqual(of("mkfifo")[0]?.remedy, "apt-get install coreutils")
    const missing = of("mmdebstrap")
    assert.strictEqual(missing[0]?.status, "warning")
    assert.strictEqual(missing[0]?.remedy, "apt-get install mmdebstrap")
  })
  it("where /etc/subuid gives all ids away fails", async () => {
    const around =
      'echo "pi:100000:4294000000" >/run/subuid; touch /etc/subuid; mount --bind /run/subuid /etc/subuid; "$@"'
    const { code, of } = await examine(here, { around })
    assert.strictEqual(of("id ranges")[0]?.status, "failed")
    assert.strictEqual(code, 125)
  })
  it("nspawn files are said not to be used", async () => {
    const around =
      'mkdir -p /etc/systemd/nspawn; mount -t tmpfs none /etc/systemd/nspawn; touch /etc/systemd/nspawn/job.nspawn; "$@"'
    const { code, of } = await examine(here, { around })
    assert.include(of("nspawn files")[0]?.message, "not used by Redd's machines: /etc/systemd/nspawn/job.nspawn")
    assert.strictEqual(code, 0)
  })
  it("as nobody is told to be root, and no stack trace", async () => {
    const nobody = 'exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"'
    const { code, of, stderr } = await examine(here, { around: nobody })
    assert.strictEqual(code, 125)
    assert.strictEqual(of("root")[0]?.remedy, "sudo redd doctor")
    assert.strictEqual(stderr, "")
  })
  it("the number of machines decides what is few", async () => {
    const few = pretend("fs/inotify/max_user_instances", 128)
    assert.strictEqual((await examine(here, { around: `${few}"$@" --machines 2` })).of("inotify")[0]?.status, "ok")
    const { of } = await examine(here, { around: `${few}"$@" --machines 60` })
    assert.strictEqual(of("inotify")[0]?.status, "warning")
    assert.include(of("inotify")[0]?.message, "for about 12 machines, not for 60")
    const outcome = await here.redd("doctor", "--machines", "0")
    assert.strictEqual(outcome.code, 125)
    assert.include(outcome.stderr, "0 is not a number of machines")
  })
})

describe("--fix", () => {
  let here: State
  beforeAll(() => {
    here = state(lab(fullSuite()), "btrfs")
  })
  afterAll(async () => assert.deepStrictEqual(await left(here), []))

  it("raises what is low, now and for later boots, and never lowers; a second time changes nothing", async () => {
    const around = `mkdir -p /etc/sysctl.d; mount -t tmpfs none /etc/sysctl.d
      printf '# mine\\nkernel.pty.max = 99999\\n' >/etc/sysctl.d/60-redd.conf
      ${pretend("fs/inotify/max_user_instances", 128)}${pretend("kernel/pty/max", 1060)}
      "$@" --fix --machines 40 >/dev/null
      cat /etc/sysctl.d/60-redd.conf /proc/sys/fs/inotify/max_user_instances /proc/sys/kernel/pty/max >&2
      echo again >&2; cp /etc/sysctl.d/60-redd.conf /run/kept
      "$@" --fix --machines 40; cmp /etc/sysctl.d/60-redd.conf /run/kept`
    const { code, of, stderr } = await examine(here, { around })
    const [first = "", second = ""] = stderr.split("again\n")
    assert.include(
      first,
      "redd: inotify: raised fs.inotify.max_user_instances to 8192, now and in /etc/sysctl.d/60-redd.conf"
    )
    assert.include(first, "# mine\nkernel.pty.max = 99999\nfs.inotify.max_user_instances = 8192\n8192")
    assert.match(first, /8192\n*8192$/m)
    assert.strictEqual(second, "redd: there is nothing that --fix can mend\n")
    assert.strictEqual(of("inotify")[0]?.status, "ok")
    assert.strictEqual(code, 0)
  })
  it("says of a parameter that cannot be raised", async () => {
    const { stderr } = await examine(here, { around: '"$@" --fix --machines 100000' })
    assert.match(stderr, /^redd: inotify: cannot raise fs\.inotify\.max_user_instances to \d+: /m)
  })
  it("releases stale machines, spares those that live, and leaves records that cannot be read", async () => {
    for (const id of ["dead", "alive"])
      await succeeds(here.redd("prepare", "--id", id, "--image", "trixie", "--boot", "none"))
    await shell(
      here.host,
      'for f in /sys/fs/cgroup/machine.slice/redd-dead-*/payload/cgroup.kill; do echo 1 >"$f"; done'
    )
    await shell(here.host, 'echo "{}" >"$1/records/newer-0123456789abcdef.json"', here.root)
    const stale = async () => (await examine(here)).of("machines")[0]
    await until("it is seen dead", async () => (await stale())?.status === "warning")
    assert.strictEqual((await stale())?.message, '1 is stale: "dead" (dead)')
    assert.strictEqual((await stale())?.remedy, "redd gc")
    const fixed = await examine(here, { around: `${enough}"$@" --fix` })
    assert.include(fixed.stderr, 'redd: machines: released "dead" (dead)')
    assert.strictEqual(fixed.of("machines")[0]?.message, "1 running, none stale")
    assert.include(fixed.of("record")[0]?.message, "newer-0123456789abcdef")
    const again = await examine(here, { around: `${enough}"$@" --fix` })
    assert.strictEqual(again.stderr, "redd: there is nothing that --fix can mend\n")
    await succeeds(here.script("alive", "true"))
    await succeeds(here.redd("cleanup", "--id", "alive"))
    await shell(here.host, 'rm "$1/records/newer-0123456789abcdef.json"', here.root)
  })
})

describe("a prepare that failed", () => {
  let here: State
  beforeAll(async () => {
    here = state(lab(fullSuite()), "btrfs")
    await shell(
      here.host,
      `btrfs -q subvolume snapshot "$1/../images/trixie" "$1/images/broken"; cd "$1/images/broken"
      rm -f usr/sbin/init usr/lib/systemd/systemd; ln -s ../lib/systemd/systemd usr/sbin/init
      printf '#!/bin/sh\\ncat /srv/word; exit 3\\n' >usr/lib/systemd/systemd
      chmod 755 usr/lib/systemd/systemd; echo "Failed to do anything" >srv/word
      btrfs -q subvolume snapshot . ../exhausted; echo "Failed to allocate manager object: Too many open files" >../exhausted/srv/word`,
      here.root
    )
  })
  afterAll(async () => assert.deepStrictEqual(await left(here), []))

  const prepare = (around: string, verb: ReadonlyArray<string>, image: string) =>
    here.host.run([...inMounts(around), `${here.host.repository}/bin/redd`, ...verb, "--image", image], {
      environment: { REDD_ROOT: here.root }
    })

  it.each([
    ["prepare", ["prepare", "--id", "x"]],
    ["once", ["once"]]
  ])("%s says inotify and the remedy where instances have run out", async (_, verb) => {
    const { code, stderr } = await prepare(`${pretend("fs/inotify/max_user_instances", 4)}"$@"`, verb, "broken")
    assert.strictEqual(code, 125)
    assert.match(stderr, /^redd: Machine ".+" did not start: .* inotify: \d+ of root's 4 inotify instances are in use/)
    assert.match(stderr, /^hint: sysctl -w fs\.inotify\.max_user_instances=8192; redd doctor says more$/m)
    assert.match(stderr, /^ {2}\| Failed to do anything$/m)
    assert.deepStrictEqual(await left(here), [])
  })
  it("says so by the machine's own words, when what it took is free again", async () => {
    const { stderr } = await prepare(`${enough}"$@"`, ["prepare", "--id", "x"], "exhausted")
    assert.include(stderr, "inotify instances most likely ran out while it booted")
    assert.include(stderr, "hint: sysctl -w fs.inotify.max_user_instances=16384")
  })
  it("says nothing of the host where the host is well", async () => {
    const { stderr } = await prepare(`${enough}"$@"`, ["prepare", "--id", "x"], "broken")
    assert.notInclude(stderr, "inotify")
    assert.include(stderr, "--boot none")
  })
})
