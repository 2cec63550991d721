/**
 * One command in a slice, and how it ended.
 *
 * It is a child of ours that enters its place by itself before it becomes the command. How it ended is a value; what is in
 * the error channel is ours.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Child from "../host/Child.ts"
import * as Fifo from "../host/Fifo.ts"
import * as Files from "../host/Files.ts"
import type { Limits } from "../host/Limits.ts"
import * as Process from "../host/Process.ts"
import * as Text from "../host/Text.ts"
import * as Tool from "../host/Tool.ts"
import * as Command from "./Command.ts"
import type { Manager } from "./Manager.ts"
import type { RunPlace, SliceName } from "./SliceName.ts"
import * as Stop from "./Stop.ts"

/** A command could not be started, and it is not the command's fault. */
export class StartFailed extends Schema.TaggedError<StartFailed>()("StartFailed", {
  slice: Schema.String,
  command: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `The command ${this.command} could not be started in the slice "${this.slice}": ${this.reason}`
  }
  get hint(): string {
    return "--log-level debug shows what was done"
  }
}

export type RunError =
  | Command.CommandNotFound
  | Command.CommandNotExecutable
  | Command.UserUnknown
  | StartFailed
  | Stop.StopError

/**
 * Where output goes: to our own descriptor of the same number, nowhere, to be read by us, to a descriptor of ours, or to
 * the end of a file, which is made where it is not there.
 */
export type Output = "inherit" | "ignore" | "stream" | { readonly fd: number } | { readonly file: string }

export interface Options {
  /** Its working directory, ours when absent. */
  readonly folder?: string | undefined
  /** All of its environment. When absent, a PATH of the system's folders and no more: nothing of ours. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** Run as this user, a name or a number, with HOME, USER, LOGNAME and SHELL of theirs; for root alone. */
  readonly user?: string | undefined
  /** `ignore` (/dev/null) when absent. */
  readonly stdin?: "inherit" | "ignore" | undefined
  /** `inherit` when absent. */
  readonly stdout?: Output | undefined
  readonly stderr?: Output | undefined
  readonly limits?: Limits | undefined
}

export interface Run {
  /** The command's own id, as we see it. */
  readonly pid: number
  /** How the command itself ended; what it started may still run. */
  readonly exit: Effect.Effect<Child.Exit>
  /**
   * What it writes, to the end: when all that have the stream open have ended. Empty unless it is a `stream`, which the
   * command waits for. To be read once.
   */
  readonly stdout: Stream.Stream<Uint8Array, PlatformError.PlatformError>
  readonly stderr: Stream.Stream<Uint8Array, PlatformError.PlatformError>
  /** Sends a signal to the command itself, unless it has ended. */
  signal(name: NodeJS.Signals): Effect.Effect<void>
  /** All processes of the run, the command's or left by it. */
  readonly processes: Effect.Effect<ReadonlyArray<Process.Process>, PlatformError.PlatformError>
  /** Stops all of the run, and leaves the rest of the slice alone. Twice is a success. */
  stop(options?: Stop.StopOptions): Effect.Effect<void, Stop.StopError>
}

/** A run that may not yet have entered its place. */
export interface Starting {
  /** Kills it, if so. */
  readonly abandon: Effect.Effect<void>
}

/** What a slice gives to each of its runs. */
export interface Within<E> {
  readonly manager: Manager
  readonly name: SliceName
  readonly place: RunPlace
  readonly folder: string
  /** The descriptor of the slice's lock. */
  readonly held: number
  readonly scope: Scope.Scope
  readonly starting: Set<Starting>
  enter<A, E2>(begin: Effect.Effect<A, E2>): Effect.Effect<A, E | E2>
}

/** Starts a command and returns when it is executed. */
export const start = <E>(
  [program, ...args]: Command.Words,
  options: Options,
  within: Within<E>
): Effect.Effect<Run, E | RunError> =>
  Effect.gen(function* () {
    const { manager, name, place } = within
    const folder = Files.absolute(options.folder ?? ".")
    const environment = options.environment ?? Tool.plainEnvironment
    const path = yield* Command.locate(program, folder, environment["PATH"])
    const user = options.user === undefined ? undefined : yield* Command.findUser(options.user)
    const failed = (reason: string) => new StartFailed({ slice: name, command: program, reason })

    const begin = Effect.scoped(
      Effect.gen(function* () {
        const stdout = yield* openOutput(options.stdout ?? "inherit", 1, within)
        const stderr = yield* openOutput(options.stderr ?? "inherit", 2, within)
        const entrance = yield* manager.enter(place, {
          description: `${program} of slice ${Text.brief(name)}`,
          limits: options.limits ?? {},
          held: within.held
        })
        const composed = Command.compose({ entrance, folder, program: path, args, environment, user })
        yield* Effect.logDebug(Tool.commandLine(composed.words[0], composed.words.slice(1)))
        const started = yield* Effect.mapError(
          Child.start(
            {
              ...composed,
              descriptors: [
                options.stdin === "inherit" ? 0 : "ignore",
                stdout.descriptor,
                "report",
                entrance.descriptors.length === 0 ? within.held : "ignore",
                stderr.descriptor,
                ...entrance.descriptors
              ],
              session: options.stdin !== "inherit"
            },
            Command.begun
          ),
          (error) => failed(error.message)
        ).pipe(Effect.withSpan(composed.words[0]))
        const starting: Starting = { abandon: started.signal("SIGKILL") }
        within.starting.add(starting)
        return { entrance, started, starting, stdout: stdout.stream, stderr: stderr.stream }
      })
    )
    const undo = Stop.stop(manager, place, name, { grace: zero })

    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const { entrance, started, starting, stderr, stdout } = yield* Effect.onError(within.enter(begin), () =>
          Effect.ignore(undo)
        )
        const report = yield* restore(started.report).pipe(
          Effect.onInterrupt(() => Effect.andThen(starting.abandon, Effect.ignore(undo))),
          Effect.ensuring(Effect.sync(() => within.starting.delete(starting)))
        )
        if (!report.complete) {
          yield* started.exit
          yield* undo
          // It was killed because the slice is being stopped.
          yield* within.enter(Effect.void)
          const said = Text.printable(report.text)
          if (said.split("\n").includes(Command.notExecutable)) {
            return yield* new Command.CommandNotExecutable({
              command: path,
              reason: `${user?.name ?? "this user"} may not execute it`
            })
          }
          return yield* failed(said === "" ? "it was killed before it began." : said)
        }
        const pid = yield* entrance.processOf(started.pid)
        let ended = false
        // What is empty again is taken away at once: a slice may have thousands of runs.
        yield* started.exit.pipe(
          Effect.andThen(Effect.sync(() => (ended = true))),
          Effect.andThen(manager.tidy(place)),
          Effect.ignore,
          Effect.forkIn(within.scope)
        )
        const signal = (signal: NodeJS.Signals) =>
          Effect.andThen(
            Process.signal(pid, signal),
            // Who waits for it has stopped with it.
            signal === "SIGCONT" ? Process.signal(started.pid, signal) : Effect.void
          )
        return {
          pid,
          exit: started.exit,
          stdout,
          stderr,
          signal: (name) => Effect.suspend(() => (ended ? Effect.void : signal(name))),
          processes: Stop.processesOf(manager, place),
          stop: (how) => Stop.stop(manager, place, name, how)
        } satisfies Run
      })
    )
  })

interface Opened {
  readonly descriptor: number
  readonly stream: Stream.Stream<Uint8Array, PlatformError.PlatformError>
}

/** The descriptor that the command gets, which is closed for us with the scope, and what we read of it. */
const openOutput = <E>(
  output: Output,
  own: 1 | 2,
  within: Within<E>
): Effect.Effect<Opened, Tool.ToolError | PlatformError.PlatformError, Scope.Scope> =>
  Effect.gen(function* () {
    if (output === "inherit") return { descriptor: own, stream: Stream.empty }
    if (output !== "stream") {
      if (output !== "ignore" && "fd" in output) return { descriptor: output.fd, stream: Stream.empty }
      const file = output === "ignore" ? "/dev/null" : output.file
      return { descriptor: yield* Files.openScoped(file, Files.append), stream: Stream.empty }
    }
    // A FIFO and not a socket pair, as Node would make: `echo x >/dev/stderr` opens it again.
    const path = `${within.folder}/${within.place.run}.${own}`
    yield* Effect.addFinalizer(() => Effect.ignore(Files.remove(path)))
    yield* Fifo.make([path])
    const reading = yield* Scope.fork(within.scope)
    const reader = yield* Scope.provide(Fifo.openReader(path), reading)
    const descriptor = yield* Files.openScoped(path, Files.writeOnly)
    const stream = Stream.unfold(undefined, () =>
      Effect.map(reader.next(Effect.never), (bytes) =>
        Option.isSome(bytes) ? ([bytes.value, undefined] as const) : undefined
      )
    )
    return { descriptor, stream: Stream.ensuring(stream, Scope.close(reading, Exit.void)) }
  })

const zero = Duration.zero
