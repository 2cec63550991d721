/**
 * Limits on the processes of a cgroup as a whole: what systemd calls them, and what the kernel does (cgroup-v2.rst).
 *
 * A limit whose controller the host does not have is accepted and not enforced: `unenforced` says which, and nothing fails.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Files from "./Files.ts"

/** What is absent is not limited. */
export const Limits = Schema.Struct({
  memoryBytes: Schema.optionalKey(Schema.Number),
  /** In whole processors: 0.5 is half of one. */
  cpus: Schema.optionalKey(Schema.Number),
  tasks: Schema.optionalKey(Schema.Number)
})
export type Limits = typeof Limits.Type

/** As properties of a unit (systemd.resource-control(5)). */
export const properties = ({ cpus, memoryBytes, tasks }: Limits): ReadonlyArray<string> => [
  ...(tasks === undefined ? [] : [`TasksMax=${tasks}`]),
  ...(memoryBytes === undefined ? [] : [`MemoryMax=${memoryBytes}`, "MemorySwapMax=0"]),
  ...(cpus === undefined ? [] : [`CPUQuota=${Math.max(1, Math.round(cpus * 100))}%`])
]

/** Sets them on a cgroup of ours. */
export const apply = (cgroup: string, limits: Limits): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.forEach(
    files(limits),
    ({ file, value }) =>
      Files.writeInto(`${cgroup}/${file}`, value).pipe(Effect.catchIf(Files.isAbsent, () => Effect.void)),
    { discard: true }
  )

/** Lets the cgroups below have limits, as far as the host has the controllers. */
export const enableControllers = (cgroup: string): Effect.Effect<void> =>
  Effect.forEach(
    ["memory", "cpu", "pids"],
    (controller) => Effect.ignore(Files.writeInto(`${cgroup}/cgroup.subtree_control`, `+${controller}`)),
    { discard: true }
  )

/** The controllers of these limits that this cgroup does not have, so that what is below it is not limited. */
export const unenforced = (
  cgroup: Option.Option<string>,
  limits: Limits
): Effect.Effect<ReadonlyArray<string>, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const text = Option.isSome(cgroup) ? yield* Files.readText(`${cgroup.value}/cgroup.controllers`) : Option.none()
    const controllers = Option.getOrElse(text, () => "")
      .trim()
      .split(" ")
    const needed = { memory: limits.memoryBytes, cpu: limits.cpus, pids: limits.tasks }
    return Object.entries(needed).flatMap(([controller, value]) =>
      value === undefined || controllers.includes(controller) ? [] : [controller]
    )
  })

const files = ({ cpus, memoryBytes, tasks }: Limits) => [
  ...(memoryBytes === undefined ? [] : [{ file: "memory.max", value: String(memoryBytes) }]),
  ...(cpus === undefined ? [] : [{ file: "cpu.max", value: `${Math.max(1000, Math.round(cpus * 100_000))} 100000` }]),
  ...(tasks === undefined ? [] : [{ file: "pids.max", value: String(tasks) }])
]
