/**
 * What would keep a machine from starting here, and what would make it better: everyone's checks, in order.
 *
 * A check is a pure decision from facts, and a small reading of the facts, a file for each subject beside this one.
 * A check that cannot be made is a finding itself: the doctor never fails.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Engines from "../engine/Engines.ts"
import * as Host from "../host/Host.ts"
import * as Files from "../host/Files.ts"
import * as Tree from "../host/Tree.ts"
import { Images, layer as imagesLayer } from "../image/Images.ts"
import type { BackendName, EngineName, Isolation } from "../record/MachineRecord.ts"
import { layer as recordsLayer, Records } from "../record/Records.ts"
import * as Cgroups from "./Cgroups.ts"
import * as Cloning from "./Cloning.ts"
import { type Finding, failed, ok, warning } from "./Finding.ts"
import * as IdRanges from "./IdRanges.ts"
import * as ImageChecks from "./Images.ts"
import * as Limits from "./Limits.ts"
import * as Machines from "./Machines.ts"
import * as Settings from "./Settings.ts"
import * as StateFolder from "./StateFolder.ts"
import * as Tools from "./Tools.ts"
import * as VersionChecks from "./Versions.ts"

export type { Finding, Mend } from "./Finding.ts"
export { mend, type Mended } from "./Mending.ts"

export interface Options {
  /** The state folder. */
  readonly root: string
  readonly isolation: Isolation
  readonly backend?: BackendName | "auto" | undefined
  readonly engine?: EngineName | "auto" | undefined
  /** How many machines are wanted at once; 4 for each processor when absent, and at least 16. */
  readonly machines?: number | undefined
  /** Bytes that shall stay free on the state folder's file system; 256 MiB when absent. */
  readonly reserveBytes?: number | undefined
}

/** Looks at everything, changes nothing that stays. A state folder that is not there is made. */
export const examine = (options: Options): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const machines = options.machines ?? Math.max(16, 4 * Host.processors())
    const state = Layer.provideMerge(imagesLayer, recordsLayer(options.root))
    const groups = [
      yield* checked("root", Effect.sync(root)),
      yield* checked(
        "versions",
        Effect.map(VersionChecks.read, (facts) => VersionChecks.versions(facts, options.isolation))
      ),
      yield* checked("tools", tools(options.root)),
      yield* checked("engine", engine(options.engine ?? "auto")),
      yield* checked("cgroups", Effect.map(Cgroups.read, Cgroups.cgroups)),
      [isolation(options.isolation)],
      yield* checked(
        "limits",
        Effect.map(Limits.read, (facts) => Limits.limits(facts, machines))
      ),
      yield* checked(
        "id ranges",
        Effect.map(IdRanges.read, (facts) => [IdRanges.idRanges(facts, machines)])
      ),
      yield* checked("state", stateFolder(options)),
      yield* checked("state", Effect.provide(ofState(options), state)),
      yield* checked("nspawn files", Effect.map(Settings.read, Settings.settings))
    ]
    return groups.flat()
  })

/**
 * What has just kept a machine from starting, as far as a few small files tell: findings that are `failed` at this
 * moment. `said` is what the machine or a tool wrote last: its words stay when what it lacked has been given back.
 */
export const suspect = (options: {
  readonly root: string
  readonly said: string
}): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const limits = yield* checked(
      "limits",
      Effect.map(Limits.read, (facts) => Limits.suspects(facts, options.said))
    )
    const cgroups = yield* checked("cgroups", Effect.map(Cgroups.read, Cgroups.cgroups))
    const state = yield* checked("state", stateFolder(options))
    return [...limits, ...cgroups, ...state].filter(({ status }) => status === "failed")
  })

/** The findings of a check; where it cannot be made, that. */
const checked = <E extends { readonly message: string }, R>(
  check: string,
  findings: Effect.Effect<ReadonlyArray<Finding>, E, R>
): Effect.Effect<ReadonlyArray<Finding>, never, R> =>
  Effect.catch(findings, (error) =>
    Effect.succeed([failed(check, error.message, Predicate.hasProperty(error, "hint") ? String(error.hint) : "")])
  )

const root = (): ReadonlyArray<Finding> => [
  Host.isRoot() ? ok("root", "we are root") : failed("root", "we are not root", "sudo redd doctor")
]

const engine = (wanted: EngineName | "auto") =>
  Effect.gen(function* () {
    const host = yield* Host.read
    const chosen = yield* Engines.choose(wanted, host)
    const pid1 = host.systemd ? "PID 1 is systemd" : "PID 1 is not systemd"
    if (!host.systemd || host.machined) return [ok("engine", `${chosen.name}: ${pid1}`)]
    const message = `${chosen.name}: ${pid1}, but systemd-machined cannot be reached: machinectl will not know the machines`
    return [warning("engine", message, "apt-get install systemd-container dbus")]
  })

const isolation = (wanted: Isolation): Finding =>
  wanted === "none"
    ? warning("isolation", "root in a machine is root on the host", "set isolation: users in the configuration")
    : ok("isolation", "root in a machine is nobody on the host")

const stateFolder = (options: { readonly root: string; readonly reserveBytes?: number | undefined }) =>
  Effect.map(StateFolder.read(options.root), (facts) =>
    StateFolder.stateFolder(facts, options.reserveBytes ?? StateFolder.defaultReserveBytes)
  )

const tools = (folder: string) =>
  Effect.gen(function* () {
    const { systemd } = yield* Host.read
    const btrfs = (yield* Files.exists(folder)) && (yield* Files.fileSystem(folder)).magic === Tree.magic.btrfs
    return Tools.tools(yield* Tools.read({ systemd, btrfs }))
  })

/** What needs a state folder that can be used. */
const ofState = ({ backend, isolation }: Options) =>
  Effect.gen(function* () {
    const { root } = yield* Records
    const list = yield* (yield* Images).list
    const proposal = { root, generation: list[0]?.generation ?? `${root}/images`, isolation }
    const cloning = checked(
      "backend",
      Effect.map(Cloning.read(backend ?? "auto", proposal, list.length > 0), (facts) => [Cloning.cloning(facts)])
    )
    const images = checked("images", Effect.map(ImageChecks.read(list), ImageChecks.images))
    const machines = checked("machines", Effect.map(Machines.read, Machines.machines))
    return [...(yield* cloning), ...(yield* images), ...(yield* machines)]
  })
