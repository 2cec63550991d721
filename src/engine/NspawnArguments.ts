/** A record as the arguments of systemd-nspawn, in the order of systemd-nspawn(1). */
import { doorOf, type MachineRecord, rangeSize, treeOf } from "../record/MachineRecord.ts"

/** Where the machine sees its door. */
export const doorTarget = "/run/redd"

/** systemd-nspawn and its arguments. */
export const nspawnArguments = (record: MachineRecord): ReadonlyArray<string> => [
  "systemd-nspawn",
  // Never a file of /etc/systemd/nspawn: what a machine is stands in its record.
  "--settings=no",
  "--quiet",
  "--keep-unit",
  `--register=${record.registered ? "yes" : "no"}`,
  `--directory=${treeOf(record)}`,
  ...(record.boot === "none" ? ["--as-pid2"] : ["--boot"]),
  `--machine=${record.key}`,
  `--hostname=${record.hostname}`,
  `--uuid=${record.machineId}`,
  ...(record.isolation === "users"
    ? [`--private-users=${record.range}:${rangeSize}`, `--private-users-ownership=${record.ownership}`]
    : ["--private-users=no"]),
  ...(record.network === "none" ? ["--private-network"] : []),
  "--resolv-conf=off",
  "--timezone=off",
  "--link-journal=no",
  "--console=read-only",
  `--bind-ro=${escapeColons(doorOf(record))}:${doorTarget}`,
  ...(record.boot === "none"
    ? []
    : [`--bind-ro=${escapeColons(doorOf(record))}/unit:/etc/systemd/system/redd-door.service`]),
  ...record.binds.map(({ mapped = true, source, target, writable }) => {
    const option = record.isolation === "users" && mapped ? ":idmap" : ""
    return `--bind${writable ? "" : "-ro"}=${escapeColons(source)}:${escapeColons(target)}${option}`
  }),
  ...(record.tmpSizeBytes === undefined ? [] : [`--tmpfs=/tmp:mode=1777,size=${record.tmpSizeBytes},nosuid,nodev`]),
  ...command(record)
]

/** What systemd-nspawn itself is told by its environment (ENVIRONMENT.md of systemd). */
export const nspawnEnvironment: Readonly<Record<string, string>> = {
  // The payload always gets cgroup v2, on a hybrid host too: the door's cgroups and cgroup.kill are v2.
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1",
  // No /tmp in RAM that nobody asked for: a tenth of the host's memory for each machine.
  SYSTEMD_NSPAWN_TMPFS_TMP: "0"
}

/**
 * What no job needs while a machine boots, and the field's images bring: consoles to log in at, timers of an
 * installation that lasts, and services for which a machine is too short-lived. `boot: full` leaves them all.
 */
export const maskedUnits: ReadonlyArray<string> = [
  "apt-daily-upgrade.timer",
  "apt-daily.timer",
  "console-getty.service",
  "dpkg-db-backup.timer",
  "e2scrub_all.timer",
  "e2scrub_reap.service",
  "fstrim.timer",
  "getty.target",
  "logrotate.timer",
  "man-db.timer",
  "run-lock.mount",
  "systemd-firstboot.service",
  "systemd-hostnamed.socket",
  "systemd-journal-flush.service",
  "systemd-logind.service",
  "systemd-modules-load.service",
  "systemd-networkd-wait-online.service",
  "systemd-remount-fs.service",
  "systemd-tmpfiles-clean.timer",
  "systemd-tmpfiles-setup-dev-early.service",
  "systemd-tmpfiles-setup-dev.service",
  "systemd-update-utmp.service",
  "systemd-user-sessions.service",
  "tmp.mount"
]

const command = (record: MachineRecord): ReadonlyArray<string> => {
  switch (record.boot) {
    case "none":
      return ["/bin/sh", `${doorTarget}/door`]
    case "full":
      return initArguments(record)
    case "init":
      return [...initArguments(record), ...maskedUnits.map((unit) => `systemd.mask=${unit}`)]
  }
}

/** systemd reads its own arguments as a kernel command line in a container; the hostname there outranks /etc/hostname. */
const initArguments = (record: MachineRecord): ReadonlyArray<string> => [
  `systemd.hostname=${record.hostname}`,
  "systemd.wants=redd-door.service"
]

/** A colon ends a path in --bind=, a backslash keeps it from that (systemd-nspawn(1)). */
const escapeColons = (path: string): string => path.replaceAll("\\", "\\\\").replaceAll(":", "\\:")
