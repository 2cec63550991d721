/** A machine by the commands that a shell script would use. */
import { existsSync } from "node:fs"
import { call, until } from "./Command.ts"

const cgroupOf = (name: string) => `/sys/fs/cgroup/machine.slice/${name}.service`

/** A snapshot of the image, booted; returns when its systemd has said that it is ready. */
export const prepare = (name: string, image: string, tree: string): void => {
  call("btrfs", "-q", "subvolume", "snapshot", image, tree)
  call(
    "systemd-run",
    "--quiet",
    "--collect",
    `--unit=${name}`,
    "--slice=machine.slice",
    "--property=Type=notify",
    "--property=Delegate=yes",
    "--property=KillMode=mixed",
    "systemd-nspawn",
    "--quiet",
    "--keep-unit",
    "--boot",
    "--notify-ready=yes",
    `--machine=${name}`,
    `--directory=${tree}`,
    "--private-users=pick",
    "--private-users-ownership=map"
  )
}

/** Ends it, waits until its unit has gone, and deletes the snapshot. */
export const cleanup = async (name: string, tree: string): Promise<void> => {
  call("machinectl", "terminate", name)
  await until(() => !existsSync(cgroupOf(name)))
  call("btrfs", "-q", "subvolume", "delete", tree)
}
