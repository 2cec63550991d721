/** The versions that decide what works: of systemd, util-linux and the kernel. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import { isAtLeast, kernel, systemd, utilLinux, type Version } from "../host/Versions.ts"
import type { Isolation } from "../record/MachineRecord.ts"
import { type Finding, failed, ok, warning } from "./Finding.ts"

export interface VersionFacts {
  readonly systemd: Option.Option<Version>
  readonly utilLinux: Option.Option<Version>
  readonly kernel: Option.Option<Version>
}

/** The decisions. A tool that is not there has a finding of its own. */
export const versions = (facts: VersionFacts, isolation: Isolation): ReadonlyArray<Finding> => [
  ...Option.toArray(Option.map(facts.systemd, systemdOf)),
  ...Option.toArray(Option.map(facts.utilLinux, (version) => utilLinuxOf(version, isolation))),
  ...Option.toArray(Option.map(facts.kernel, kernelOf))
]

/** Two tools are asked, one small file is read. */
export const read: Effect.Effect<VersionFacts, PlatformError.PlatformError> = Effect.suspend(() =>
  Effect.all({ systemd, utilLinux, kernel })
)

const systemdOf = (version: Version): Finding => {
  const [major] = version
  // --private-users-ownership= with `map` (NEWS of systemd 249).
  if (major < 249)
    return failed("systemd", `${major} cannot map the owners of a machine's files; 249 can`, "upgrade to Debian 12")
  if (major < 252) return warning("systemd", `${major}: Redd is tested with 252 and later`, "upgrade to Debian 12")
  return ok("systemd", String(major))
}

const utilLinuxOf = (version: Version, isolation: Isolation): Finding => {
  const text = version.join(".")
  if (isolation === "none" || isAtLeast(version, [2, 39])) return ok("util-linux", text)
  // Not a warning: on btrfs it does not matter, and elsewhere `backend` says what it costs.
  return ok("util-linux", `${text}: its mount has no X-mount.idmap (2.39 has), so the overlay backend cannot be used`)
}

const kernelOf = (version: Version): Finding => {
  const text = version.join(".")
  // cgroup.kill is of Linux 5.14, ID-mapped mounts of btrfs of 5.15 (mount_setattr(2)).
  if (!isAtLeast(version, [5, 14]))
    return failed("kernel", `${text} cannot kill a cgroup at once; 5.14 can`, "upgrade to Debian 12")
  if (!isAtLeast(version, [5, 15]))
    return warning("kernel", `${text} cannot map owners on btrfs; 5.15 can`, "upgrade to Debian 12")
  return ok("kernel", text)
}
