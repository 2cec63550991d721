/**
 * Who holds a slice's processes, so that all of them can be found, and killed whatever they do.
 *
 * A manager makes a *place* for each run of a slice. What is started in a place cannot leave it: not by a double fork, a
 * session or a process group of its own, nor by being left by its parent. Everything that a manager does is derived from
 * the slice's key, so another process finds what a killed one left. A command enters its place by itself and then executes
 * what was asked for: it is never moved afterwards, since its starter may be killed in between.
 *
 * It is no wall against its own user: a process that may ask the same systemd for another unit, or as root enters another
 * cgroup, leaves the slice like that.
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Limits } from "../host/Limits.ts"
import type * as Tool from "../host/Tool.ts"
import type { Place, RunPlace, SliceKey } from "./SliceName.ts"

export const ManagerName = Schema.Literals(["system", "user", "standalone"])
export type ManagerName = typeof ManagerName.Type

export type ManagerError = PlaceFailed | Tool.ToolError | PlatformError.PlatformError

/** How a command gets into its place. */
export interface Entrance {
  /** What stands before the command's own words: it enters, then executes them, with the descriptors that it was given. */
  readonly words: ReadonlyArray<string>
  /** What those words need in their environment, whatever the command shall have in its own. */
  readonly environment: Readonly<Record<string, string>>
  /** Descriptors of ours that they need, as numbers from `firstDescriptor` on; the command does not get them. */
  readonly descriptors: ReadonlyArray<number>
  /** The command's own id, given the one of what we started. */
  processOf(pid: number): Effect.Effect<number>
}

/** Below are its standard streams, the lock, and where its standard error goes once it has entered. */
export const firstDescriptor = 5

/** A process that outlives us. */
export interface Detached {
  readonly unit: string
  readonly description: string
  readonly command: readonly [string, ...ReadonlyArray<string>]
  readonly environment: Readonly<Record<string, string>>
}

/** What a place has used. */
export interface Usage {
  /** What its processes and their page cache hold where the kernel counts that, else what they have resident, each. */
  readonly memoryBytes: number
  /** Since the place was made; with PID namespaces, of what still runs and what that has waited for. */
  readonly cpuMs: number
  /** Processes that the kernel killed for want of memory, since the place was made; 0 where it does not count them. */
  readonly outOfMemoryKills: number
}

export interface Manager {
  readonly name: ManagerName
  /** What holds the processes: `scopes of the host's systemd`. */
  readonly holds: string
  /** Where slices keep their locks and what they need for a moment: a folder that is ours alone, in /run. */
  readonly folder: string
  /**
   * Succeeds where what this manager holds lives on when its user has logged out. Only who leaves something running and
   * goes needs that: a slice in a scope ends with its scope.
   */
  readonly lasting: Effect.Effect<void, LingeringOff | PlatformError.PlatformError>
  /** The controllers of these limits that this host does not have here: such limits are accepted and not enforced. */
  unenforced(limits: Limits): Effect.Effect<ReadonlyArray<string>, PlatformError.PlatformError>
  /**
   * Makes a place. Whoever is started to make it inherits the lock `held`, so that nobody finds the place absent while it
   * is being made. What was opened is closed with the scope; the place stays until `remove`.
   */
  enter(
    place: RunPlace,
    options: { readonly description: string; readonly limits: Limits; readonly held: number }
  ): Effect.Effect<Entrance, ManagerError, Scope.Scope>
  /** Starts a process that outlives us, in no slice: one that is to have a slice. `unit` is free. */
  detach(process: Detached): Effect.Effect<void, Tool.ToolError>
  /** True where anything of the slice is there, processes or not. */
  exists(key: SliceKey): Effect.Effect<boolean, PlatformError.PlatformError>
  /**
   * The ids of the processes in a place, as we see them; ended ones may be among them. An absent place has none. A list is
   * late: of processes that fork all the time and end, none on it may still be there. It decides nothing.
   */
  processes(place: Place): Effect.Effect<ReadonlyArray<number>, PlatformError.PlatformError>
  /** A signal to each process of a place that is listed, and SIGCONT, without which a stopped one would not see it. */
  signal(place: Place, name: NodeJS.Signals): Effect.Effect<void, PlatformError.PlatformError>
  /** SIGKILL to all in a place, those that fork at this moment included. Absent is a success. */
  kill(place: Place): Effect.Effect<void, PlatformError.PlatformError>
  /** None where the place is absent. */
  usage(place: Place): Effect.Effect<Option.Option<Usage>, PlatformError.PlatformError>
  /**
   * Takes a place away whose processes were killed, its units and cgroups. Fails with Busy (EBUSY) while one is alive; once
   * this succeeds none is, and none can enter. Absent is a success.
   */
  remove(place: Place): Effect.Effect<void, ManagerError>
  /** Takes the place of one run away if no process is in it, and does nothing else. */
  tidy(place: RunPlace): Effect.Effect<void, ManagerError>
}

/** A manager does not work on this host. */
export class ManagerUnfit extends Schema.TaggedError<ManagerUnfit>()("ManagerUnfit", {
  manager: ManagerName,
  reason: Schema.String,
  remedy: Schema.String
}) {
  override get message(): string {
    return `The ${this.manager} manager does not work here: ${this.reason}.`
  }
  get hint(): string {
    return this.remedy
  }
}

/** The user's systemd has no folder in /run that we know of: XDG_RUNTIME_DIR is not set, or wrong. */
export class RuntimeFolderMissing extends Schema.TaggedError<RuntimeFolderMissing>()("RuntimeFolderMissing", {
  user: Schema.String,
  /** What was given. */
  folder: Schema.NullOr(Schema.String),
  /** Where the folder is, if it is there. */
  found: Schema.NullOr(Schema.String)
}) {
  override get message(): string {
    return this.folder === null
      ? "XDG_RUNTIME_DIR is not set, so the systemd of this user cannot be found."
      : `There is no folder ${this.folder}, so the systemd of this user cannot be found.`
  }
  get hint(): string {
    return this.found === null
      ? `log in as ${this.user} (not by su), or have it run without a login: sudo loginctl enable-linger ${this.user}`
      : `export XDG_RUNTIME_DIR=${this.found}`
  }
}

/** There is a folder for the user in /run, and no bus in it. */
export class UserBusMissing extends Schema.TaggedError<UserBusMissing>()("UserBusMissing", {
  folder: Schema.String,
  uid: Schema.Number
}) {
  override get message(): string {
    return `The systemd of this user cannot be asked: there is no bus at ${this.folder}/bus.`
  }
  get hint(): string {
    return `sudo apt-get install dbus-user-session && sudo systemctl restart user@${this.uid}.service`
  }
}

/** What the user's systemd holds ends when the user logs out. */
export class LingeringOff extends Schema.TaggedError<LingeringOff>()("LingeringOff", { user: Schema.String }) {
  override get message(): string {
    return `What ${this.user} leaves running ends when ${this.user} logs out: lingering is off.`
  }
  get hint(): string {
    return `sudo loginctl enable-linger ${this.user}`
  }
}

/** A manager could not make a place for a run, or take it away. */
export class PlaceFailed extends Schema.TaggedError<PlaceFailed>()("PlaceFailed", {
  manager: ManagerName,
  reason: Schema.String
}) {
  override get message(): string {
    return `The ${this.manager} manager failed: ${this.reason}.`
  }
  get hint(): string {
    return "--log-level debug shows what was done"
  }
}
