/**
 * Finding out by doing: what a file system and its tools can do is tried once in a boot of the host, and remembered.
 *
 * A trial happens in one scrap folder that all know, under a lock that dies with its holder: what a killed trial left
 * there is taken away by the next one, and by gc.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Files from "../host/Files.ts"
import * as Host from "../host/Host.ts"
import * as Lock from "../host/Lock.ts"
import * as Mounts from "../host/Mounts.ts"
import * as Tree from "../host/Tree.ts"
import { lockOf } from "../record/MachineRecord.ts"

/** What `trial` says in the scrap folder: why it does not work, or None. Remembered as `name` until the host reboots. */
export const once = (
  root: string,
  name: string,
  trial: (scrap: string) => Effect.Effect<Option.Option<string>, Lock.LockHeld | Tree.TreeError>
): Effect.Effect<Option.Option<string>, Lock.LockHeld | Tree.TreeError> =>
  Effect.gen(function* () {
    const verdict = `${root}/cache/${name}`
    const bootId = yield* Host.bootId
    const known = Effect.map(Files.readText(verdict), (text) => {
      const [boot, reason = ""] = Option.getOrElse(text, () => "").split("\n")
      return boot === bootId ? Option.some(reason === "" ? Option.none<string>() : Option.some(reason)) : Option.none()
    })
    const earlier = yield* known
    if (Option.isSome(earlier)) return earlier.value
    return yield* Effect.scoped(
      Effect.gen(function* () {
        yield* Lock.hold(lockOf(root, "scrap"), patience)
        // Who waited for the lock waited for the verdict: many begin at once after a reboot.
        const meanwhile = yield* known
        if (Option.isSome(meanwhile)) return meanwhile.value
        const found = yield* Effect.ensuring(
          Effect.andThen(clear(root), Effect.andThen(Files.makeFolder(scrapOf(root), 0o700), trial(scrapOf(root)))),
          Effect.ignore(clear(root))
        )
        yield* Files.replace(verdict, `${bootId}\n${Option.getOrElse(found, () => "")}`)
        return found
      })
    )
  })

/** Takes away what a killed trial left; one that is under way is let be. */
export const sweep = (root: string): Effect.Effect<void, Tree.TreeError> =>
  Lock.ifFree(lockOf(root, "scrap"), clear(root))

/** Longer than each of the few trials of a host takes, together. */
const patience = Duration.seconds(120)

const scrapOf = (root: string) => `${root}/cache/scrap`

const clear = (root: string): Effect.Effect<void, Tree.TreeError> =>
  Effect.andThen(Mounts.unmount(scrapOf(root)), Tree.remove(scrapOf(root)))
