/** What an image lacks for its usual uses: said when it is made, and not by the first job. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Tree from "../host/Tree.ts"

/** Paths in a tree, any of which will do, and what is missed without them. */
const uses: ReadonlyArray<readonly [paths: ReadonlyArray<string>, without: string]> = [
  [["usr/lib/os-release", "etc/os-release"], "no os-release: what it is cannot be told"],
  [["sbin/init", "usr/sbin/init"], "no init: machines of it run without services"],
  [["usr/bin/dbus-daemon", "usr/bin/dbus-broker"], "no D-Bus: machinectl shell does not work in it"],
  [["usr/bin/bash", "bin/bash"], "no bash: GitLab's scripts run with sh"],
  [["usr/bin/git"], "no git: GitLab's jobs cannot fetch their sources"],
  [["usr/bin/python3", "usr/local/bin/python3"], "no python3: Ansible needs it"]
]

/** In words, one for each. */
export const lacks = (tree: string): Effect.Effect<ReadonlyArray<string>, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const missing: Array<string> = []
    for (const [paths, without] of uses) {
      const found = yield* Effect.forEach(paths, (path) => Tree.resolve(tree, path))
      if (!found.some(Option.isSome)) missing.push(without)
    }
    return missing
  })
