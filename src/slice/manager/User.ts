/** The systemd of the user who we are. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Files from "../../host/Files.ts"
import * as Host from "../../host/Host.ts"
import type * as Tool from "../../host/Tool.ts"
import * as Units from "../../host/Units.ts"
import { LingeringOff, type Manager, ManagerUnfit, RuntimeFolderMissing, UserBusMissing } from "../Manager.ts"
import { withSystemd } from "../Systemd.ts"

export const user = (
  runtimeFolder: string | undefined
): Effect.Effect<
  Manager,
  ManagerUnfit | RuntimeFolderMissing | UserBusMissing | Tool.ToolError | PlatformError.PlatformError
> =>
  Effect.gen(function* () {
    const us = Host.user()
    const host = yield* Host.read
    if (!host.systemd) return yield* unfit("PID 1 is not systemd", "use the manager standalone")
    if (Option.isNone(host.cgroups)) {
      return yield* unfit("no cgroup2 file system is mounted", "boot with systemd.unified_cgroup_hierarchy=1")
    }
    if (runtimeFolder === undefined || !(yield* Files.exists(runtimeFolder))) {
      const usual = `/run/user/${us.uid}`
      const found = (yield* Files.exists(usual)) ? usual : null
      return yield* new RuntimeFolderMissing({ user: us.name, folder: runtimeFolder ?? null, found })
    }
    if (!(yield* Files.exists(`${runtimeFolder}/bus`))) {
      return yield* new UserBusMissing({ folder: runtimeFolder, uid: us.uid })
    }
    const reach: Units.Reach = {
      flags: ["--user"],
      environment: { XDG_RUNTIME_DIR: runtimeFolder, DBUS_SESSION_BUS_ADDRESS: `unix:path=${runtimeFolder}/bus` }
    }
    // Where its own units have their cgroups: `user.slice/user-1000.slice/user@1000.service`.
    const root = yield* Units.property("-.slice", "ControlGroup", reach)
    return withSystemd({
      name: "user",
      holds: `scopes of the systemd of ${us.name}`,
      folder: `${runtimeFolder}/redd`,
      // systemd-logind keeps a file there for each user who lingers (loginctl(1), enable-linger).
      lasting: Effect.flatMap(Files.exists(`/var/lib/systemd/linger/${us.name}`), (lingers) =>
        lingers ? Effect.void : Effect.fail(new LingeringOff({ user: us.name }))
      ),
      reach,
      supervisors: "app.slice",
      cgroup: `${host.cgroups.value}${root === "/" ? "" : root}`
    })
  })

const unfit = (reason: string, remedy: string) => new ManagerUnfit({ manager: "user", reason, remedy })
