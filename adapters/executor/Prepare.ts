/** The `prepare` stage: a machine for the job, and a few lines in its log that a person can read. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import {
  Exec,
  Files,
  Host,
  Images,
  Machine,
  type MachineRecord,
  Quantity,
  Records,
  Text,
  Tool,
  Tree
} from "../../src/index.ts"
import type { Configuration } from "../terminal/Configuration.ts"
import { Invocation } from "../terminal/Invocation.ts"
import { explained, notes } from "../terminal/Made.ts"
import { endInWords } from "../terminal/Paragraph.ts"
import * as Say from "../terminal/Say.ts"
import * as Choice from "./Choice.ts"
import * as Job from "./Job.ts"
import { type Call, stage, type Verdict } from "./Verdict.ts"
import * as Wishes from "./Wishes.ts"

/** GitLab wants the job no more, or somebody ended us. What there was of the machine is released, or cleanup's to release. */
export class PrepareCancelled extends Schema.TaggedError<PrepareCancelled>()("PrepareCancelled", {}) {
  override get message(): string {
    return "GitLab ended this stage before the machine was ready: the job was cancelled, or its time was up."
  }
}

export interface Options extends Choice.Flags {
  /** How many jobs the runner takes at once: for each one's share of the memory. */
  readonly concurrency: number | undefined
}

/**
 * Makes the job's machine. GitLab tries three times with one id: what an earlier try left, or a machine that a killed
 * runner forgot, is removed first.
 */
export const prepare = <E, R>(call: Call<E, R>, options: Options) =>
  stage(call, (contract, settings) =>
    Effect.gen(function* () {
      const started = yield* Clock.currentTimeMillis
      const { claimSignal } = yield* Invocation
      const job = yield* Job.read(contract)
      const wishes = yield* Wishes.read(contract)
      const { image, reference } = yield* Choice.choose(job, options, settings)
      const stamp = Images.nameOf(image.generation)
      const meant = reference === image.name ? "" : `, for "${Text.brief(reference)}"`
      yield* Say.note(
        `redd: image ${image.name}${stamp === image.name ? "" : ` (${stamp})`}, ${Quantity.formatAge(started - image.createdMs)} old${meant}`
      )
      if (settings.gitlab.shell !== undefined && !(yield* Choice.has(image, settings.gitlab.shell)))
        return yield* new ShellMissing({ image: image.name, shell: settings.gitlab.shell })
      const { remarks, ...granted } = Wishes.grant(wishes, settings, {
        memoryBytes: Host.memoryBytes(),
        concurrency: options.concurrency
      })
      for (const remark of remarks) yield* Say.note(`redd: ${remark}`)
      const spec: Machine.MachineSpec = {
        ...granted,
        id: job.id,
        image: image.name,
        backend: settings.backend,
        engine: settings.engine,
        isolation: settings.isolation,
        binds: yield* binds(job, settings),
        reserveBytes: settings.reserveBytes,
        boots: settings.boots,
        lifetime: Duration.sum(Duration.seconds(job.timeoutSeconds), afterItsTime)
      }
      const record = yield* Effect.raceFirst(
        explained(settings.root)(acquireAnew(spec)),
        Effect.flatMap(claimSignal, () => Effect.fail(new PrepareCancelled()))
      )
      yield* makeFolders(record, settings)
      yield* Say.note(`redd: ${inWords(record)}`)
      yield* notes(record)
      for (const line of yield* lacks(image, job, settings)) yield* Say.note(`redd: ${line}`)
      const seconds = ((yield* Clock.currentTimeMillis) - started) / 1000
      yield* Say.note(`redd: machine "${record.id}" is ready after ${seconds.toFixed(2)} s`)
      return { _tag: "Success" } satisfies Verdict
    }).pipe(Effect.provide(Machine.layer(settings.root)))
  )

/** A job cannot use its machine for longer than its time; this much more is for what comes after its scripts. */
const afterItsTime = Duration.hours(1)

const acquireAnew = (spec: Machine.MachineSpec) =>
  Effect.catchTag(Machine.acquire(spec), "MachineExists", () =>
    Say.note("redd: a machine of this job was there already, and is made anew").pipe(
      Effect.andThen(Machine.release(spec.id)),
      Effect.andThen(Machine.acquire(spec))
    )
  )

/**
 * What the machine sees of the host: the job's caches, and the host's gitlab-runner, which the scripts call for caches and
 * artifacts. Jobs of protected branches have caches of their own: what others could have put into one, they never unpack.
 */
const binds = (job: Job.Job, settings: Configuration) =>
  Effect.gen(function* () {
    const found: Array<MachineRecord.Bind> = []
    const { root } = yield* Records.Records
    const isMappable = settings.isolation === "none" || (yield* Tree.isMappable(root))
    if (!isMappable)
      yield* Say.note(
        `redd: caches are not kept: the file system of ${root} takes no ID-mapped mounts (redd setup --pool)`
      )
    if (isMappable && job.cache !== undefined) {
      const source = [root, "cache", "gitlab", ...job.cache].join("/")
      yield* Files.makeFolder(source, 0o700)
      found.push({ source, target: settings.gitlab.cacheDir, writable: true })
    }
    const runner = yield* Tool.find("gitlab-runner")
    if (Option.isSome(runner))
      found.push({
        source: yield* Files.realPath(runner.value),
        target: "/usr/local/bin/gitlab-runner",
        writable: false,
        mapped: false
      })
    return found
  })

/** GitLab's scripts change into folders below these. */
const makeFolders = (record: MachineRecord.MachineRecord, { gitlab }: Configuration) =>
  Effect.gen(function* () {
    const { exit, stderr } = yield* Exec.collect(
      record,
      { _tag: "Words", words: ["mkdir", "-p", "--", gitlab.buildsDir, gitlab.cacheDir] },
      { mostBytes: 4096, timeout: Duration.seconds(30) }
    )
    if (Exec.exitCode(exit) !== 0) {
      const reason = endInWords(exit) ?? Text.printable(stderr)
      return yield* new FoldersFailed({ folders: [gitlab.buildsDir, gitlab.cacheDir], reason })
    }
  })

/** The configuration names a shell that the image does not have. */
export class ShellMissing extends Schema.TaggedError<ShellMissing>()("ShellMissing", {
  image: Schema.String,
  shell: Schema.String
}) {
  override get message(): string {
    return `Image "${this.image}" has no ${this.shell}, which gitlab.shell of the configuration names.`
  }
  get hint(): string {
    return "take gitlab.shell out of the configuration: each image is asked for bash then, and gets sh where it has none"
  }
}

/** The machine runs, and the folders of its job cannot be made in it. */
export class FoldersFailed extends Schema.TaggedError<FoldersFailed>()("FoldersFailed", {
  folders: Schema.Array(Schema.String),
  reason: Schema.String
}) {
  override get message(): string {
    return `Cannot make ${this.folders.join(" and ")} in the machine: ${this.reason}`
  }
  get hint(): string {
    return "choose other folders (gitlab.builds-dir, gitlab.cache-dir in the configuration), or mend the image"
  }
}

/** What a job may miss, said before it does. */
const lacks = (image: Images.Image, job: Job.Job, settings: Configuration) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    if (settings.gitlab.shell === undefined && !(yield* Choice.has(image, "bash")))
      lines.push(
        "the image has no bash: scripts run with sh, and want the variable FF_POSIXLY_CORRECT_ESCAPES: true where that is dash"
      )
    if (!(yield* Choice.has(image, "git"))) lines.push("the image has no git: only GIT_STRATEGY: none or empty works")
    if (Option.isNone(yield* Tool.find("gitlab-runner")) && !(yield* Choice.has(image, "gitlab-runner")))
      lines.push("there is no gitlab-runner on the host nor in the image: caches and artifacts do not work")
    if (job.services.length > 0)
      lines.push(`services are not started here: ${job.services.map((name) => Text.brief(name)).join(", ")}`)
    return lines
  })

const inWords = ({ backend, boot, engine, limits, network, tmpSizeBytes }: MachineRecord.MachineRecord): string =>
  [
    `${backend} backend, ${engine} engine${boot === "none" ? ", without init" : ""}`,
    limits.memoryBytes === undefined ? "memory not limited" : `memory ${Quantity.formatSize(limits.memoryBytes)}`,
    limits.cpus === undefined ? "processors not limited" : `processors ${limits.cpus}`,
    ...(tmpSizeBytes === undefined ? [] : [`/tmp in RAM, ${Quantity.formatSize(tmpSizeBytes)}`]),
    network === "none" ? "no network" : "the host's network"
  ].join("; ")
