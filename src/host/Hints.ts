/**
 * That something may have happened in some folders, as far as inotify(7) tells.
 *
 * A hint makes somebody look sooner and is never the truth: network file systems tell nothing of what others do, mounting
 * over a folder tells nothing at all, and who uses too many instances or watches is refused.
 */
import * as fs from "node:fs"
import { basename } from "node:path"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

export interface Hints {
  /**
   * Watches these folders from now on, and no others: paths, and which folder is there (a path may have come to name
   * another one). Says whether there are new ones among them, in which something may have happened before, and why not all
   * of them can be watched.
   */
  follow(folders: ReadonlyMap<string, string>): Effect.Effect<Following>
  /** Waits for the next hint. Those that came since the last time are one. */
  readonly next: Effect.Effect<void>
}

export interface Following {
  readonly isNew: boolean
  readonly refused: string | undefined
}

/** A user may have 8192 watches and more (fs.inotify.max_user_watches), which players and desktops want as well. */
const most = 1024

/** Hints until the scope closes. */
export const make: Effect.Effect<Hints, never, Scope.Scope> = Effect.gen(function* () {
  const hints = yield* Queue.sliding<void>(1)
  const watchers = new Map<string, { readonly identity: string; readonly watcher: fs.FSWatcher }>()
  const forget = (path: string) => {
    watchers.get(path)?.watcher.close()
    watchers.delete(path)
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => [...watchers.keys()].forEach(forget)))

  const watch = (path: string, identity: string) => {
    const watcher = fs.watch(path, (_, name) => {
      // What happens to the folder itself has its own name. Moved, deleted or unmounted, it is watched no longer.
      if (name === basename(path)) forget(path)
      Queue.offerUnsafe(hints, undefined)
    })
    watcher.on("error", () => forget(path))
    watchers.set(path, { identity, watcher })
  }

  return {
    next: Queue.take(hints),
    follow: (folders) =>
      Effect.sync(() => {
        for (const [path, { identity }] of watchers) if (folders.get(path) !== identity) forget(path)
        const missing = [...folders].filter(([path]) => !watchers.has(path))
        const before = watchers.size
        let refused: string | undefined
        for (const [path, identity] of missing) {
          refused = watchers.size < most ? attempt(() => watch(path, identity)) : `there are more than ${most} folders`
          if (refused !== undefined) break
        }
        return { isNew: watchers.size > before, refused }
      })
  }
})

/** No hints: for file systems that have none, where asking is a waste. */
export const none: Hints = {
  next: Effect.never,
  follow: () => Effect.succeed({ isNew: false, refused: undefined })
}

/** Why the kernel refuses a watch. A folder that has just gone, or may not be read, is no refusal: the next look says so. */
const attempt = (call: () => void): string | undefined => {
  try {
    call()
    return undefined
  } catch (cause) {
    return refusals[cause instanceof Error && "code" in cause ? String(cause.code) : ""]
  }
}

const refusals: Readonly<Record<string, string>> = {
  EMFILE: "all inotify instances are taken (fs.inotify.max_user_instances)",
  ENOSPC: "all inotify watches are taken (fs.inotify.max_user_watches)",
  ENOSYS: "this kernel has no inotify"
}
