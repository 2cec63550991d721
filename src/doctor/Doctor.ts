/** What would keep a machine from starting here, and what would make it better: everyone's checks, in order. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Backends from "../backend/Backends.ts"
import * as Engines from "../engine/Engines.ts"
import * as Files from "../host/Files.ts"
import type { BackendError } from "../backend/Backend.ts"
import * as Host from "../host/Host.ts"
import type * as Lock from "../host/Lock.ts"
import * as Tool from "../host/Tool.ts"
import { Images } from "../image/Images.ts"
import type { Isolation } from "../record/MachineRecord.ts"
import { Records } from "../record/Records.ts"

export interface Finding {
  /** `failed`: prepare would fail. `warning`: it works, and could be better. */
  readonly status: "ok" | "warning" | "failed"
  readonly check: string
  readonly message: string
  /** The command that mends it, or nothing. */
  readonly remedy: string
}

/** Looks at everything, changes nothing that stays. */
export const examine = (options: {
  readonly isolation: Isolation
}): Effect.Effect<ReadonlyArray<Finding>, Lock.LockHeld | BackendError, Records | Images> =>
  Effect.gen(function* () {
    const { root } = yield* Records
    const images = yield* (yield* Images).list
    const host = yield* Host.read
    const findings: Array<Finding> = []
    const find = (status: Finding["status"], check: string, message: string, remedy = "") =>
      void findings.push({ status, check, message, remedy })

    if (host.root) find("ok", "root", "we are root")
    else find("failed", "root", "we are not root", "sudo redd doctor")

    for (const tool of ["systemd-nspawn", "mount", "mkfifo", "flock"]) {
      yield* Effect.matchEffect(Tool.ensure(tool), {
        onSuccess: () => Effect.sync(() => find("ok", tool, "is installed")),
        onFailure: (error) =>
          Effect.sync(() => find("failed", tool, error.message, error._tag === "ToolMissing" ? error.hint : ""))
      })
    }

    const engine = yield* Effect.result(Engines.choose("auto", host))
    if (engine._tag === "Success") find("ok", "engine", engine.success.name)
    else find("failed", "engine", engine.failure.message, "mount -t cgroup2 none /sys/fs/cgroup")

    const generation = images[0]?.generation ?? `${root}/images`
    const reasons: Array<string> = []
    let chosen = ""
    for (const backend of Backends.preference) {
      const reason = yield* backend.unfit({ root, generation, isolation: options.isolation })
      if (Option.isNone(reason)) {
        chosen = backend.name
        break
      }
      // Without an image there is nothing to say of one.
      if (backend.name !== "btrfs" || images.length > 0) reasons.push(`${backend.name}: ${reason.value}`)
    }
    const why = reasons.length === 0 ? "" : ` (${reasons.join("; ")})`
    if (chosen === "copy")
      find("warning", "backend", `${chosen}: every machine copies its whole image${why}`, "redd setup --pool 20G")
    else find("ok", "backend", `${chosen}${why}`)

    if (options.isolation === "none")
      find("warning", "isolation", "root in a machine is root on the host", "set isolation: users")
    else find("ok", "isolation", "root in a machine is nobody on the host")

    const instances = Number(
      Option.getOrElse(yield* Files.readText("/proc/sys/fs/inotify/max_user_instances"), () => "0")
    )
    if (instances < 1024) {
      find(
        "warning",
        "inotify",
        `${instances} inotify instances are enough for about ${Math.floor(instances / 8)} machines`,
        "sysctl fs.inotify.max_user_instances=8192"
      )
    } else find("ok", "inotify", `${instances} instances`)

    if (images.length === 0) find("failed", "images", "there are none", "redd image create trixie --suite trixie")
    else find("ok", "images", images.map((image) => image.name).join(", "))

    for (const listed of yield* (yield* Records).list) {
      if (listed._tag === "Unreadable") find("warning", "record", listed.error.message, listed.error.hint)
    }
    return findings
  })
