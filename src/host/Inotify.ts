/**
 * The inotify instances that root has taken, of which the kernel allows fs.inotify.max_user_instances (inotify(7)).
 *
 * An instance counts for the user who made it and, when that was in a user namespace, for whoever made the namespace, up
 * to the first one. Machines are made by root: all that runs in all of them counts for root, with the host's own daemons.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"

/** How many are taken, as far as /proc shows: a little more where processes share one, less in a PID namespace. */
export const taken: Effect.Effect<number> = Effect.sync(() => {
  const ours = attempt(() => fs.readlinkSync("/proc/self/ns/user"))
  let count = 0
  for (const pid of attempt(() => fs.readdirSync("/proc")) ?? []) {
    if (!/^\d+$/.test(pid)) continue
    const folder = `/proc/${pid}`
    // A process may end while it is looked at: what cannot be read has none.
    const owner = attempt(() => fs.statSync(folder).uid)
    if (owner !== 0 && attempt(() => fs.readlinkSync(`${folder}/ns/user`)) === ours) continue
    for (const fd of attempt(() => fs.readdirSync(`${folder}/fd`)) ?? [])
      if (attempt(() => fs.readlinkSync(`${folder}/fd/${fd}`)) === "anon_inode:inotify") count++
  }
  return count
})

/** True where the kernel refuses us one more, now (EMFILE of inotify_init1(2)). */
export const isRefused: Effect.Effect<boolean> = Effect.sync(() => {
  try {
    fs.watch("/").close()
    return false
  } catch (cause) {
    return cause instanceof Error && "code" in cause && cause.code === "EMFILE"
  }
})

const attempt = <A>(call: () => A): A | undefined => {
  try {
    return call()
  } catch {
    return undefined
  }
}
