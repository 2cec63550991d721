/** Where cgroup v2 is, and which limits it enforces. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Engine from "../engine/Engine.ts"
import * as Cgroup from "../host/Cgroup.ts"
import * as Files from "../host/Files.ts"
import * as Mounts from "../host/Mounts.ts"
import { type Finding, failed, ok, warning } from "./Finding.ts"

export interface CgroupFacts {
  /** Where cgroup v2 is mounted. */
  readonly mountPoint: Option.Option<string>
  /** /sys/fs/cgroup is taken by cgroup v1. */
  readonly legacy: boolean
  /** Controllers that cgroup v2 does not have here. */
  readonly missing: ReadonlyArray<string>
  /** /proc/cgroups: what cgroup v1 holds, and what the kernel's command line turned off (cgroups(7)). */
  readonly table: string
}

/** The decisions. */
export const cgroups = (facts: CgroupFacts): ReadonlyArray<Finding> => {
  if (Option.isNone(facts.mountPoint)) {
    const path = facts.legacy ? "/sys/fs/cgroup/unified" : "/sys/fs/cgroup"
    const make = facts.legacy ? `mkdir -p ${path} && ` : ""
    const remedy = `${make}mount -t cgroup2 none ${path}`
    return [failed("cgroups", "cgroup v2 is mounted nowhere", remedy, { _tag: "MountCgroups", path })]
  }
  const mounted = ok("cgroups", `cgroup v2 at ${facts.mountPoint.value}`)
  if (facts.missing.length === 0) return [mounted, ok("controllers", "memory, cpu and pids: limits are enforced")]
  const message = `no ${facts.missing.join(", no ")}: limits of ${facts.missing.map((name) => limitOf[name] ?? name).join(", ")} are accepted and not enforced`
  return [mounted, warning("controllers", message, remedyOf(facts))]
}

export const read: Effect.Effect<CgroupFacts, PlatformError.PlatformError> = Effect.gen(function* () {
  return {
    mountPoint: yield* Cgroup.mountPoint,
    legacy: yield* Mounts.isMounted("/sys/fs/cgroup"),
    missing: yield* Engine.unenforced({ memoryBytes: 1, cpus: 1, tasks: 1 }),
    table: Option.getOrElse(yield* Files.readText("/proc/cgroups"), () => "")
  }
})

const limitOf: Readonly<Record<string, string>> = { memory: "memory", cpu: "processors", pids: "tasks" }

const remedyOf = ({ missing, table }: CgroupFacts): string => {
  const rows = table.split("\n").map((line) => line.split("\t"))
  const off = missing.filter((name) => rows.some(([found, , , enabled]) => found === name && enabled === "0"))
  if (off.length > 0) return `boot the kernel with ${off.map((name) => `cgroup_enable=${name}`).join(" ")}`
  if (rows.some(([name = "", hierarchy]) => missing.includes(name) && hierarchy !== "0"))
    return "boot the kernel with systemd.unified_cgroup_hierarchy=1: cgroup v1 holds them"
  return "this host is a container: delegate them to it"
}
