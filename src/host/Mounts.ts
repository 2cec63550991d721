/**
 * What is mounted on this host, and mounting. Every call is idempotent.
 *
 * The truth is /proc/self/mountinfo (proc_pid_mountinfo(5)); nothing is remembered between calls.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Files from "./Files.ts"
import * as Tool from "./Tool.ts"

export interface Mount {
  readonly path: string
  readonly type: string
  readonly source: string
}

/** Every mount of this mount namespace, in mount order. */
export const all: Effect.Effect<ReadonlyArray<Mount>, PlatformError.PlatformError> = Effect.map(
  Files.readText("/proc/self/mountinfo"),
  (text) => parse(Option.getOrElse(text, () => ""))
)

/** What is mounted at `path` or anywhere below it, in mount order. */
export const below = (path: string): Effect.Effect<ReadonlyArray<Mount>, PlatformError.PlatformError> =>
  Effect.map(all, (mounts) => mounts.filter((mount) => mount.path === path || mount.path.startsWith(`${path}/`)))

/** True where something is mounted exactly at `path`. */
export const isMounted = (path: string): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Effect.map(all, (mounts) => mounts.some((mount) => mount.path === path))

/** mount(8) with these arguments, which end in `path`; nothing where something is mounted there already. */
export const mount = (
  path: string,
  args: ReadonlyArray<string>,
  folder?: string
): Effect.Effect<void, Tool.ToolError | PlatformError.PlatformError> =>
  Effect.flatMap(isMounted(path), (mounted) =>
    mounted ? Effect.void : Effect.asVoid(Tool.run("mount", [...args, path], { folder }))
  )

/** Unmounts all that is mounted at `path` and below it, last first; nothing mounted is a success. */
export const unmount = (path: string): Effect.Effect<void, Tool.ToolError | PlatformError.PlatformError> =>
  Effect.flatMap(below(path), (mounts) =>
    Effect.forEach([...mounts].reverse(), (mounted) => Tool.run("umount", ["--no-canonicalize", mounted.path]), {
      discard: true
    })
  )

/** The lines of mountinfo, octal escapes undone. */
export const parse = (text: string): ReadonlyArray<Mount> =>
  text.split("\n").flatMap((line) => {
    const [left, right] = line.split(" - ")
    const path = left?.split(" ")[4]
    const [type, source] = right?.split(" ") ?? []
    if (path === undefined || type === undefined || source === undefined) return []
    return [{ path: unescape(path), type, source: unescape(source) }]
  })

const unescape = (text: string): string =>
  text.replace(/(?:\\[0-7]{3})+/g, (run) =>
    Buffer.from(
      run
        .slice(1)
        .split("\\")
        .map((octal) => Number.parseInt(octal, 8))
    ).toString("utf8")
  )
