/** The host's systemd, for root. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Host from "../../host/Host.ts"
import * as Units from "../../host/Units.ts"
import { type Manager, ManagerUnfit } from "../Manager.ts"
import { withSystemd } from "../Systemd.ts"

export const system: Effect.Effect<Manager, ManagerUnfit | PlatformError.PlatformError> = Effect.gen(function* () {
  const host = yield* Host.read
  if (!host.root) return yield* unfit("only root may ask the host's systemd", "use the manager user, or run it as root")
  if (!host.systemd) return yield* unfit("PID 1 is not systemd", "use the manager standalone")
  if (Option.isNone(host.cgroups)) {
    return yield* unfit("no cgroup2 file system is mounted", "boot with systemd.unified_cgroup_hierarchy=1")
  }
  return withSystemd({
    name: "system",
    holds: "scopes of the host's systemd",
    folder: "/run/redd",
    lasting: Effect.void,
    reach: Units.system,
    supervisors: "system.slice",
    cgroup: host.cgroups.value
  })
})

const unfit = (reason: string, remedy: string) => new ManagerUnfit({ manager: "system", reason, remedy })
