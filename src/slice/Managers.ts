/** The managers by name, and which one fits this host. */
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Host from "../host/Host.ts"
import type * as Tool from "../host/Tool.ts"
import type { Manager, ManagerName, ManagerUnfit, RuntimeFolderMissing, UserBusMissing } from "./Manager.ts"
import { type Hold, standalone } from "./manager/Standalone.ts"
import { system } from "./manager/System.ts"
import { user } from "./manager/User.ts"

export interface Settings {
  /** The user's folder in /run, as XDG_RUNTIME_DIR says: nothing here reads the environment. */
  readonly runtimeFolder?: string | undefined
  /** How the manager `standalone` holds processes. */
  readonly hold?: Hold | undefined
}

export type Unfit = ManagerUnfit | RuntimeFolderMissing | UserBusMissing | Tool.ToolError

/** None of the managers that were tried works here. */
export class NoManager extends Schema.TaggedError<NoManager>()("NoManager", {
  tried: Schema.Array(Schema.Struct({ message: Schema.String, remedy: Schema.String }))
}) {
  override get message(): string {
    return `Nothing here can hold a slice. ${this.tried.map(({ message }) => message).join(" ")}`
  }
  get hint(): string {
    return this.tried.map(({ remedy }) => remedy).join("; or: ")
  }
}

/** A manager, and why it is this one. */
export interface Choice {
  readonly manager: Manager
  /** One sentence for a person. */
  readonly why: string
  /** Those that would have been better, and what keeps them from working. */
  readonly passed: ReadonlyArray<{ readonly name: ManagerName; readonly unfit: Unfit }>
}

/** The manager of this name. Fails with what keeps it from working here, and the command that mends it. */
export const get = (
  name: ManagerName,
  settings: Settings
): Effect.Effect<Manager, Unfit | PlatformError.PlatformError> => byName[name](settings)

/**
 * The manager of this name, or with `auto` the first that works: for root the host's systemd, for others their own; else
 * none of systemd's. Another process that shall find the slice needs the same manager: keep its name beside the slice's.
 */
export const choose = (
  wanted: ManagerName | "auto",
  settings: Settings
): Effect.Effect<Choice, Unfit | NoManager | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if (wanted !== "auto") {
      const manager = yield* get(wanted, settings)
      return { manager, why: `${manager.holds}, as was asked for`, passed: [] }
    }
    const passed: Array<{ readonly name: ManagerName; readonly unfit: Unfit }> = []
    for (const name of [Host.isRoot() ? ("system" as const) : ("user" as const), "standalone" as const]) {
      const found = yield* get(name, settings).pipe(
        Effect.map((manager) => ({ manager })),
        Effect.catch((error) =>
          error._tag === "PlatformError" ? Effect.fail(error) : Effect.succeed({ unfit: error })
        )
      )
      if ("unfit" in found) {
        passed.push({ name, unfit: found.unfit })
        continue
      }
      const { manager } = found
      const reason = passed.map(({ unfit }) => unfit.message.replace(/\.$/, "")).join("; ")
      return { manager, why: reason === "" ? manager.holds : `${manager.holds}, since: ${reason}`, passed }
    }
    return yield* new NoManager({
      tried: passed.map(({ unfit }) => ({ message: unfit.message, remedy: unfit.hint }))
    })
  })

const byName: Readonly<
  Record<ManagerName, (settings: Settings) => Effect.Effect<Manager, Unfit | PlatformError.PlatformError>>
> = {
  system: () => system,
  user: ({ runtimeFolder }) => user(runtimeFolder),
  standalone: ({ hold, runtimeFolder }) => standalone(hold ?? "auto", runtimeFolder)
}
