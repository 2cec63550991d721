/**
 * A machine's life: a spec becomes a record, the record is stored, the steps are walked, the door opens.
 *
 * There is one acquire and one release, whoever calls: a scope, `redd prepare` and `redd cleanup`, gc. Release is a
 * function of the record, so it does not matter who acquired, or how far that came.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Attempt from "../backend/Attempt.ts"
import * as Backends from "../backend/Backends.ts"
import * as Engine from "../engine/Engine.ts"
import * as Engines from "../engine/Engines.ts"
import * as Digest from "../host/Digest.ts"
import * as Files from "../host/Files.ts"
import * as Host from "../host/Host.ts"
import * as Lock from "../host/Lock.ts"
import * as Tool from "../host/Tool.ts"
import * as Tree from "../host/Tree.ts"
import { type Image, type ImageNotFound, Images, ImageUnusable, layer as imagesLayer } from "../image/Images.ts"
import {
  type BackendName,
  type Bind,
  type EngineName,
  hostnameOf,
  type Isolation,
  keyOf,
  type Limits,
  type MachineId,
  MachineRecord,
  type Network
} from "../record/MachineRecord.ts"
import {
  layer as recordsLayer,
  type MachineBusy,
  Records,
  type RecordUnreadable,
  type StateUnusable
} from "../record/Records.ts"
import * as Ranges from "./Ranges.ts"
import * as Ready from "./Ready.ts"
import * as Space from "./Space.ts"
import * as Step from "./Step.ts"
import { boot, ground, steps } from "./Steps.ts"
import * as Strays from "./Strays.ts"

/** What a machine shall be. What is absent is chosen by the host. */
export interface MachineSpec {
  readonly id: MachineId
  readonly image: string
  /** The tree to make it from; the image's current generation when absent. */
  readonly generation?: string | undefined
  /** `flat`: the best of those that make a tree of its own, which can be taken for a generation afterwards. */
  readonly backend?: BackendName | "auto" | "flat" | undefined
  readonly engine?: EngineName | "auto" | undefined
  readonly isolation?: Isolation | undefined
  /** `auto`: systemd where the image has it. `init` insists; `full` masks nothing; `none` runs the door alone. */
  readonly boot?: "auto" | "init" | "full" | "none" | undefined
  /** From the start until the door opens; 90 s when absent. */
  readonly bootTimeout?: Duration.Duration | undefined
  readonly network?: Network | undefined
  readonly binds?: ReadonlyArray<Bind> | undefined
  readonly environment?: Readonly<Record<string, string>> | undefined
  readonly limits?: Limits | undefined
  readonly tmpSizeBytes?: number | undefined
  /** What must be free on the state folder's file system; 256 MiB when absent. */
  readonly reserveBytes?: number | undefined
  /** From its beginning until gc releases it, running or not: longer than its work can take. Never when absent. */
  readonly lifetime?: Duration.Duration | undefined
  /** How many machines may boot at the same time on this host: two for each processor when absent. Others wait. */
  readonly boots?: number | undefined
}

/** A machine with this id is there, alive. */
export class MachineExists extends Schema.TaggedError<MachineExists>()("MachineExists", { id: Schema.String }) {
  override get message(): string {
    return `Machine "${this.id}" is running already.`
  }
  get hint(): string {
    return "choose another --id, or end it with redd cleanup"
  }
}

/** The host cannot give a machine what it was asked for. */
export class SpecInvalid extends Schema.TaggedError<SpecInvalid>()("SpecInvalid", {
  reason: Schema.String,
  remedy: Schema.String
}) {
  override get message(): string {
    return `${this.reason}.`
  }
  get hint(): string {
    return this.remedy
  }
}

export { attach, MachineNotFound } from "./Attach.ts"
export { keep } from "./Keep.ts"

export type AcquireError =
  | Space.SpaceShort
  | MachineExists
  | MachineBusy
  | SpecInvalid
  | ImageNotFound
  | ImageUnusable
  | Backends.BackendUnfit
  | Lock.LockHeld
  | Engines.EngineUnfit
  | RecordUnreadable
  | Step.ReleaseFailed
  | Step.StepError

export type ReleaseError = Step.ReleaseFailed | MachineBusy | RecordUnreadable | Tree.TreeError

export type CollectError = ReleaseError | Step.StepError

/** Machines and images below a state folder, which is made when it is not there. */
export const layer = (stateFolder: string): Layer.Layer<Records | Images, StateUnusable> =>
  Layer.provideMerge(imagesLayer, recordsLayer(stateFolder))

/** A machine of this process's own, released when the scope closes; if the process is killed, by the next gc. */
export const make = (spec: MachineSpec): Effect.Effect<MachineRecord, AcquireError, Records | Images | Scope.Scope> =>
  Effect.acquireRelease(
    Effect.flatMap(Host.self, (owner) => acquire(spec, owner)),
    (record) => Effect.orDie(release(record.id)),
    { interruptible: true }
  )

/**
 * Starts a machine and returns when it accepts commands. It stays until it is released; with an owner, until that
 * process ends. Where this fails or is interrupted, all that it did is undone.
 */
export const acquire = (
  spec: MachineSpec,
  owner?: Host.ProcessIdentity
): Effect.Effect<MachineRecord, AcquireError, Records | Images> =>
  Effect.scoped(
    Effect.gen(function* () {
      const records = yield* Records
      const earlier = yield* holdAndFind(spec.id)
      if (Option.isSome(earlier)) {
        if (yield* isReady(earlier.value)) return yield* new MachineExists({ id: spec.id })
        yield* undo(earlier.value)
      }
      yield* Space.check(records.root, spec.reserveBytes ?? Space.defaultReserveBytes)
      const place = yield* Effect.forkScoped(Lock.holdPlace("boots", spec.boots ?? Host.processors() * 2))
      return yield* Effect.retry(
        Effect.flatMap(describe(spec, owner), (record) => bring(record, Fiber.join(place))),
        { while: (error) => error._tag === "RangeTaken", times: 20 }
      )
    })
  )

/** From a record that is chosen to a machine that is ready, once it is its turn to boot; or to nothing. */
const bring = <E>(record: MachineRecord, turn: Effect.Effect<void, E>) =>
  Effect.gen(function* () {
    const records = yield* Records
    return yield* records.store(record).pipe(
      Effect.andThen(
        // The disk takes its time, and the machine does not wait for it: a power cut would end both.
        Effect.all(
          [
            records.persist(record),
            Step.forwards(ground, record).pipe(Effect.andThen(turn), Effect.andThen(Step.forwards(boot, record)))
          ],
          { concurrency: "unbounded", discard: true }
        )
      ),
      Effect.as(record),
      Effect.onExit((exit) => (exit._tag === "Success" ? Effect.void : undo(record)))
    )
  })

/** Stops a machine and removes all of it. One that is not there is a success: a second cleanup does no harm. */
export const release = (
  id: MachineId,
  options: { readonly grace?: Duration.Duration | undefined } = {}
): Effect.Effect<"released" | "absent", ReleaseError, Records> =>
  Effect.scoped(
    Effect.gen(function* () {
      const record = yield* holdAndFind(id)
      if (Option.isNone(record)) return "absent"
      yield* Ready.unmake(record.value)
      if (options.grace !== undefined) yield* Engine.powerOff(record.value, options.grace)
      yield* undo(record.value)
      return "released"
    })
  )

/**
 * Asks a machine to power off in order, and waits at most `patience` until nothing of it runs; its tree stays. False where
 * it did not in time.
 */
export const powerOff = (
  record: MachineRecord,
  patience: Duration.Duration
): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if (!(yield* Engine.powerOff(record, patience))) return false
    // systemd-nspawn itself holds the tree a moment longer than the payload runs.
    const ended = Engine.isAlive(record).pipe(Effect.delay("20 millis"), Effect.repeat({ while: (alive) => alive }))
    return Option.isSome(yield* Effect.timeoutOption(ended, "20 seconds"))
  })

/**
 * `running`: it accepts commands. `starting`: it waits for its turn, is being made or released, or who did that was killed.
 * `dead`: nothing of it runs any more.
 */
export type State = "running" | "starting" | "dead"

/** What state a machine is in, from its record and its cgroup. */
export const state = (record: MachineRecord): Effect.Effect<State, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if (record.bootId !== (yield* Host.bootId)) return "dead"
    if (!(yield* Ready.isMarked(record))) return "starting"
    return (yield* Engine.hasPayload(record)) ? "running" : "dead"
  })

/** What gc did with one record, or would do. */
export interface Collected {
  readonly id: string
  /** `unfinished`: who was making or releasing it was killed. */
  readonly reason: "dead" | "expired" | "host rebooted" | "owner gone" | "unfinished"
}

/**
 * Releases each machine that died, that its owner left, whose time is up, or whose acquire was killed half-way; and deletes what killed
 * processes left in staging, in the scrap folder and among the records. A live machine, and one that another process works on, is never touched.
 */
export const collect = (options: {
  /** Change nothing, and say what would be done. */
  readonly dryRun: boolean
  /** Remove what has a machine's name and no record; otherwise it is only said. */
  readonly removeStrays?: boolean | undefined
}): Effect.Effect<
  {
    readonly collected: ReadonlyArray<Collected>
    /** Paths of what killed processes left beside the machines. */
    readonly deleted: ReadonlyArray<string>
    readonly strays: ReadonlyArray<Strays.Stray>
    readonly failed: ReadonlyArray<CollectError>
  },
  PlatformError.PlatformError,
  Records | Images
> =>
  Effect.gen(function* () {
    const records = yield* Records
    const collected: Array<Collected> = []
    const failed: Array<CollectError> = []
    const attempt = <A>(sweep: Effect.Effect<A, CollectError>, otherwise: A) =>
      Effect.catch(sweep, (error) => {
        failed.push(error)
        return Effect.succeed(otherwise)
      })
    const cut = yield* attempt(Strays.sweep(records.root, options), [])
    for (const listed of yield* records.list) {
      if (listed._tag === "Unreadable") {
        // What a dry run leaves there is named among the deleted.
        if (!cut.includes(listed.error.file)) failed.push(listed.error)
        continue
      }
      const { id, key } = listed.record
      const outcome = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* records.hold(key, id, glance)
          // Again, now that nobody else can change it.
          const record = yield* records.find(key)
          const reason = Option.isNone(record) ? Option.none() : yield* whyCollect(record.value)
          if (Option.isSome(record) && Option.isSome(reason) && !options.dryRun) yield* undo(record.value)
          return Option.map(reason, (why) => ({ id, reason: why }))
        })
      ).pipe(Effect.result)
      if (outcome._tag === "Success") collected.push(...Option.toArray(outcome.success))
      else if (outcome.failure._tag !== "MachineBusy") failed.push(outcome.failure)
    }
    const images = yield* Images
    if (!options.dryRun) {
      yield* attempt(records.sweep, undefined)
      yield* attempt(Attempt.sweep(records.root), undefined)
      yield* attempt(Lock.sweep, undefined)
    }
    const deleted = [...cut, ...(yield* attempt(images.sweep(options), []))]
    const found = yield* attempt(Strays.collect(records.root, options.removeStrays === true && !options.dryRun), [])
    // What a dry run leaves there has been said.
    const strays = found.filter((stray) => !stray.found.every((path) => deleted.includes(path)))
    return { collected, deleted, strays, failed }
  })

/** Another gc, of another state folder too, may hold a lock only to look whether somebody else does. */
const glance = Duration.millis(500)
/** Longer than a machine takes to boot: who else holds the lock is at work. */
const patience = Duration.seconds(120)
const defaultBootTimeout = Duration.seconds(90)

/** Alive, and acquired to the end: what a second prepare must not touch. */
const isReady = (record: MachineRecord) => Effect.map(state(record), (found) => found === "running")

/** The record of `id`, which nobody else touches until the scope closes; what a power cut left under that id is gone. */
const holdAndFind = (id: MachineId) =>
  Effect.gen(function* () {
    const records = yield* Records
    const key = keyOf(records.root, id)
    yield* records.hold(key, id, patience)
    yield* Strays.sweepOne(records.root, key, { dryRun: false })
    return yield* records.find(key)
  })

const undo = (record: MachineRecord): Effect.Effect<void, Step.ReleaseFailed | PlatformError.PlatformError, Records> =>
  Effect.gen(function* () {
    const records = yield* Records
    yield* Step.backwards(steps, record)
    yield* records.forget(record.key)
  })

const whyCollect = (
  record: MachineRecord
): Effect.Effect<Option.Option<Collected["reason"]>, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const isMarked = yield* Ready.isMarked(record)
    if (!(yield* Engine.hasPayload(record))) {
      if (record.bootId !== (yield* Host.bootId)) return Option.some("host rebooted")
      return Option.some(isMarked ? "dead" : "unfinished")
    }
    // We hold the lock: whoever was making it, or releasing it, is dead.
    if (!isMarked) return Option.some("unfinished")
    if (record.owner !== undefined && !(yield* Host.isAlive(record.owner))) return Option.some("owner gone")
    const ends = [record.keptUntilMs ?? [], record.expiresMs ?? []].flat()
    if (ends.length > 0 && (yield* Clock.currentTimeMillis) >= Math.max(...ends)) return Option.some("expired")
    return Option.none()
  })

/** Everything that the host picks for a machine, chosen before anything is done. */
const describe = (spec: MachineSpec, owner: Host.ProcessIdentity | undefined) =>
  Effect.gen(function* () {
    const { root } = yield* Records
    const image =
      spec.generation === undefined
        ? yield* (yield* Images).get(spec.image)
        : { name: spec.image, generation: spec.generation }
    for (const tool of ["systemd-nspawn", "mkfifo", "mount"]) yield* Tool.ensure(tool)
    const host = yield* Host.read
    const engine = yield* Engines.choose(spec.engine ?? "auto", host)
    const isolation = spec.isolation ?? "users"
    const proposal = { root, generation: image.generation, isolation }
    const backend = yield* Backends.choose(spec.backend ?? "auto", proposal)
    const key = keyOf(root, spec.id)
    for (const bind of spec.binds ?? []) yield* checkBind(bind)
    const createdMs = yield* Clock.currentTimeMillis
    const record: MachineRecord = {
      version: 1,
      id: spec.id,
      key,
      root,
      image: image.name,
      generation: image.generation,
      backend: backend.name,
      engine: engine.name,
      isolation,
      range: isolation === "users" ? yield* Ranges.choose(key) : 0,
      ownership: isolation === "users" ? yield* backend.ownership(proposal) : "off",
      boot: yield* chooseBoot(image, spec.boot ?? "auto"),
      bootTimeoutMs: Duration.toMillis(spec.bootTimeout ?? defaultBootTimeout),
      network: spec.network ?? "host",
      binds: spec.binds ?? [],
      environment: spec.environment ?? {},
      limits: spec.limits ?? {},
      ...(spec.tmpSizeBytes === undefined ? {} : { tmpSizeBytes: spec.tmpSizeBytes }),
      hostname: hostnameOf(spec.id),
      machineId: Digest.freshMachineId(),
      registered: engine.name === "managed" && host.machined,
      cgroup: `${Option.getOrElse(host.cgroups, () => "/sys/fs/cgroup")}/${engine.cgroup(key)}`,
      ...(owner === undefined ? {} : { owner }),
      createdMs,
      ...(spec.lifetime === undefined ? {} : { expiresMs: createdMs + Duration.toMillis(spec.lifetime) }),
      bootId: yield* Host.bootId
    }
    return yield* Effect.mapError(
      checked(record),
      (error) =>
        new SpecInvalid({ reason: `The machine cannot be described: ${error.message}`, remedy: "correct the value" })
    )
  })

const checked = Schema.decodeUnknownEffect(Schema.toType(MachineRecord))

const checkBind = (bind: Bind) =>
  Effect.gen(function* () {
    if (!bind.target.startsWith("/")) {
      return yield* new SpecInvalid({
        reason: `"${bind.target}" is not an absolute path in the machine`,
        remedy: "write --bind /here:/there"
      })
    }
    if (yield* Files.exists(bind.source)) return
    return yield* new SpecInvalid({
      reason: `There is nothing to bind at ${bind.source}`,
      remedy: "create it first, or correct the path"
    })
  })

/** What the image can do against what is wanted of it. */
const chooseBoot = (
  image: Pick<Image, "generation"> & { readonly name: string },
  wanted: NonNullable<MachineSpec["boot"]>
) =>
  Effect.gen(function* () {
    const unusable = (reason: string) => new ImageUnusable({ image: image.name, reason })
    if (Option.isNone(yield* Tree.resolve(image.generation, "usr")))
      return yield* unusable("it is no root tree: it has no /usr")
    if (Option.isNone(yield* Tree.resolve(image.generation, "bin/sh")))
      return yield* unusable("it has no /bin/sh, which runs the door")
    if (wanted === "none") return "none"
    const init = yield* Tree.resolve(image.generation, "sbin/init")
    const systemd = Option.exists(init, (path) => path.endsWith("/systemd"))
    if (systemd) return wanted === "full" ? "full" : "init"
    if (wanted === "auto") return "none"
    return yield* unusable(`--boot ${wanted} needs systemd as its /sbin/init, and it has none; --boot none works`)
  })
