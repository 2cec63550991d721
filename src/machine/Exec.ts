/**
 * A command in a machine, through its door, and how it ended.
 *
 * How a command ended is a value, never an error: what is in the error channel is Redd's own failure, so the two cannot
 * be confused. The status FIFO decides: a number is how the command ended; the end of file without one means that it was
 * killed; a machine without processes went away. All that comes out of a FIFO is the machine's word and no more.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { hasPayload } from "../engine/Engine.ts"
import * as Cgroup from "../host/Cgroup.ts"
import * as Fifo from "../host/Fifo.ts"
import * as Files from "../host/Files.ts"
import type * as Tool from "../host/Tool.ts"
import { doorCgroupOf, doorOf, type MachineRecord } from "../record/MachineRecord.ts"
import * as Door from "./Door.ts"

/** How a command ended. */
export type Exit =
  /** By itself, with this code. */
  | { readonly _tag: "Exited"; readonly code: number }
  /** Killed by this signal, and not by Redd. */
  | { readonly _tag: "Signaled"; readonly signal: number }
  /**
   * The kernel killed processes of it because its memory was used up. `code` is what it ended with all the same, where
   * only a child of it was killed; 137 where it was itself.
   */
  | { readonly _tag: "OutOfMemory"; readonly code: number }
  /** It ran longer than it was given, and was ended. */
  | { readonly _tag: "TimedOut"; readonly afterMs: number }
  /** Whoever ran it asked for its end. */
  | { readonly _tag: "Cancelled" }
  /** The whole machine ended while it ran, or had ended before. */
  | { readonly _tag: "MachineGone" }

/** The door does not listen although the machine runs: something inside keeps it from that. */
export class DoorClosed extends Schema.TaggedError<DoorClosed>()("DoorClosed", { id: Schema.String }) {
  override get message(): string {
    return `Machine "${this.id}" runs, but its door does not answer.`
  }
  get hint(): string {
    return "something in the machine stopped redd-door.service, or it has no room for another process; look with redd shell, or make the machine anew"
  }
}

export type ExecError = DoorClosed | Tool.ToolError | PlatformError.PlatformError

/** A script that a shell of the machine runs from a file, its standard input closed. */
export interface Script {
  readonly _tag: "Script"
  readonly content: Uint8Array
  /** bash where the machine has it, else sh. */
  readonly shell?: string | undefined
}

/** A program and its arguments. Bytes, where an argument need not be text. */
export interface Words<E = never> {
  readonly _tag: "Words"
  readonly words: ReadonlyArray<string | Uint8Array>
  /** A name or number from the machine's /etc/passwd; root when absent. */
  readonly user?: string | undefined
  /** Closed when absent. */
  readonly stdin?: Stream.Stream<Uint8Array, E> | undefined
}

export interface Options<E = never> {
  /** Called with what the command writes, unaltered and in order; the command waits for it. */
  readonly stdout: (bytes: Uint8Array) => Effect.Effect<void, E>
  readonly stderr: (bytes: Uint8Array) => Effect.Effect<void, E>
  /** Added to the plain environment and the machine's. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** The working directory in the machine: / when absent. */
  readonly folder?: string | undefined
  readonly timeout?: Duration.Duration | undefined
  /** From SIGTERM until all of the run is killed. */
  readonly grace: Duration.Duration
  /** When it is done, the run is cancelled: SIGTERM, grace, SIGKILL. Interrupting the fiber does the same. */
  readonly cancel?: Effect.Effect<void> | undefined
  /** When it is done, what is left of the grace is not waited for. */
  readonly hurry?: Effect.Effect<void> | undefined
}

/** The exit code that stands for an end in a shell: the command's own, 128+n, 124 for a time-out, 125 for a lost machine. */
export const exitCode = (exit: Exit): number => {
  switch (exit._tag) {
    case "Exited":
      return exit.code
    case "Signaled":
      return 128 + exit.signal
    case "OutOfMemory":
      return exit.code
    case "TimedOut":
      return 124
    case "Cancelled":
      return 143
    case "MachineGone":
      return 125
  }
}

/** Runs a command to its end. A writer of output that fails closes that stream: the command gets EPIPE, as in a pipeline. */
export const run = <E, E2>(
  record: MachineRecord,
  command: Script | Words<E>,
  options: Options<E2>
): Effect.Effect<Exit, ExecError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const opened = yield* open(record, command, options)
      const quiet = yield* Deferred.make<void>()
      const pump = (reader: Fifo.Reader, write: (bytes: Uint8Array) => Effect.Effect<void, E2>) =>
        Effect.forkScoped(Effect.ensuring(Effect.exit(forward(reader, write, Deferred.await(quiet))), reader.close))
      const output = [yield* pump(opened.stdout, options.stdout), yield* pump(opened.stderr, options.stderr)]
      const end = yield* Deferred.make<void>()
      const begun = yield* Deferred.make<void>()
      const status = Fiber.join(yield* Effect.forkScoped(readStatus(opened.status, Deferred.succeed(begun, undefined))))
      const terminate = Effect.gen(function* () {
        if (!(yield* Cgroup.isPopulated(opened.cgroup))) {
          // Not begun, or just beginning: without its folder it cannot, and what could is in the cgroup.
          yield* removeRun(opened.folder)
          return yield* Cgroup.kill(opened.cgroup)
        }
        yield* Cgroup.signal(opened.cgroup, "SIGTERM")
        const orderly = Effect.andThen(
          Effect.andThen(status, opened.done.close),
          Cgroup.awaitEmpty(opened.cgroup, options.grace)
        )
        yield* Effect.raceAllFirst([orderly, Effect.sleep(options.grace), options.hurry ?? Effect.never])
        yield* Cgroup.kill(opened.cgroup)
        yield* Cgroup.awaitEmpty(opened.cgroup, Duration.seconds(5))
      })
      // An interrupted fiber ends its run too: there before the run can begin, and first to run, while the FIFOs are read.
      yield* Effect.addFinalizer(() =>
        Effect.flatMap(Deferred.isDone(end), (ended) => (ended ? Effect.void : Effect.ignore(terminate)))
      )
      if (!(yield* knock(record, opened.run))) return { _tag: "MachineGone" }
      if (command._tag === "Words" && command.stdin !== undefined && opened.stdin !== undefined) {
        const { stdin } = opened
        yield* Effect.exit(Stream.runForEach(command.stdin, stdin.write)).pipe(
          Effect.andThen(Deferred.await(begun)),
          Effect.andThen(stdin.close),
          Effect.forkScoped
        )
      }

      const ended = yield* Effect.raceAllFirst([
        Effect.flatMap(status, (found) => judge(record, opened.cgroup, found)),
        machineGone(record),
        insist(record, opened.run, Deferred.await(begun)),
        Effect.as(options.cancel ?? Effect.never, { _tag: "Cancelled" } as const),
        options.timeout === undefined
          ? Effect.never
          : Effect.as(Effect.sleep(options.timeout), {
              _tag: "TimedOut",
              afterMs: Duration.toMillis(options.timeout)
            } as const)
      ])
      if (ended._tag === "Cancelled" || ended._tag === "TimedOut") yield* terminate
      yield* Deferred.succeed(end, undefined)
      yield* Deferred.succeed(quiet, undefined)
      const flushed = Effect.forEach(output, (fiber) => Fiber.await(fiber), { discard: true })
      yield* ended._tag === "Cancelled" ? Effect.raceFirst(flushed, Effect.sleep(options.grace)) : flushed
      return ended
    })
  )

interface Opened {
  readonly run: string
  readonly folder: string
  readonly cgroup: string
  readonly stdout: Fifo.Reader
  readonly stderr: Fifo.Reader
  readonly status: Fifo.Reader
  /** Where the command has a standard input. */
  readonly stdin: Fifo.Writer | undefined
  /** Keeps the starter waiting; it begins with the line in it. */
  readonly done: Pick<Fifo.Writer, "close">
}

/** The run's folder with all its ends open, so that nothing in the machine waits for us when it starts. */
const open = <E, E2>(
  record: MachineRecord,
  command: Script | Words<E>,
  options: Options<E2>
): Effect.Effect<Opened, Tool.ToolError | PlatformError.PlatformError, Scope.Scope> =>
  Effect.gen(function* () {
    const { folder, run } = yield* Effect.acquireRelease(claim(record), ({ folder }) =>
      Effect.ignore(removeRun(folder))
    )
    yield* Door.giveFifos(record, run)
    const encoder = new TextEncoder()
    const hasStdin = command._tag === "Words" && command.stdin !== undefined
    const start = Door.startScript({
      run,
      command:
        command._tag === "Script"
          ? { _tag: "Script", shell: command.shell }
          : {
              _tag: "Words",
              words: command.words.map((word) => (typeof word === "string" ? encoder.encode(word) : word)),
              user: command.user
            },
      environment: { ...record.environment, ...options.environment },
      folder: options.folder ?? "/",
      stdin: hasStdin
    })
    yield* Files.create(`${folder}/start`, start, { mode: 0o400, owner: record.range })
    if (command._tag === "Script")
      yield* Files.create(`${folder}/script`, command.content, { mode: 0o500, owner: record.range })
    yield* Files.give(folder, record.range)
    const cgroup = `${doorCgroupOf(record)}/${run}`
    yield* Cgroup.make(cgroup, record.range)
    // Empty once the run and all that it left have ended; what still lives in it keeps it (EBUSY).
    yield* Effect.addFinalizer(() => Effect.ignore(Cgroup.remove(cgroup)))
    return {
      run,
      folder,
      cgroup,
      stdout: yield* Fifo.openReader(`${folder}/stdout`),
      stderr: yield* Fifo.openReader(`${folder}/stderr`),
      status: yield* Fifo.openReader(`${folder}/status`),
      stdin: hasStdin ? yield* Fifo.openWriter(`${folder}/stdin`) : undefined,
      done: yield* Fifo.hold(`${folder}/done`, "go\n")
    }
  })

/** A number that no other run of this machine has, had or will have: each is begun once. */
const claim = (
  record: MachineRecord
): Effect.Effect<{ readonly run: string; readonly folder: string }, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const run = `${now}${String(Math.floor(Math.random() * 1_000_000)).padStart(6, "0")}`
    const folder = `${doorOf(record)}/${run}`
    const claimed = yield* Files.claimFolder(folder, 0o700).pipe(
      Effect.as(true),
      Effect.catchIf(
        (error) => error.reason._tag === "AlreadyExists",
        () => Effect.succeed(false)
      )
    )
    return claimed ? { run, folder } : yield* claim(record)
  })

const removeRun = (folder: string) =>
  Effect.andThen(
    Effect.forEach([...Door.runFifos, "start", "script"], (name) => Files.remove(`${folder}/${name}`), {
      discard: true
    }),
    Files.removeFolder(folder)
  )

/** Announces the run. False when the machine has gone; DoorClosed when it is there and nobody listened for a while. */
const knock = (record: MachineRecord, run: string): Effect.Effect<boolean, DoorClosed | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    for (let tries = 0; tries < 1000; tries++) {
      if (yield* Door.knock(record, run)) return true
      if (!(yield* hasPayload(record))) return false
      yield* Effect.sleep("10 millis")
    }
    return yield* new DoorClosed({ id: record.id })
  })

/**
 * Announces the run again until it has begun: a door that was killed may have taken the number with it. DoorClosed when it
 * has not begun after a minute: the door was stopped or replaced, or nothing can be forked.
 */
const insist = (
  record: MachineRecord,
  run: string,
  begun: Effect.Effect<void>
): Effect.Effect<never, DoorClosed | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    for (let tries = 0; tries < 60; tries++) {
      if (Option.isSome(yield* Effect.timeoutOption(begun, "1 second"))) return yield* Effect.never
      yield* Door.knock(record, run)
    }
    return yield* new DoorClosed({ id: record.id })
  })

/** What the status FIFO said: a number and what the shell wrote before it, or nothing. */
interface Status {
  readonly code: Option.Option<number>
  /** The shell spoke before the number: a signal killed the command. */
  readonly remark: boolean
}

/** Reads until a line is a number from 0 to 255; `begun` is told of the first byte. Bounded: of what else comes, only the end is kept. */
const readStatus = (
  reader: Fifo.Reader,
  begun: Effect.Effect<unknown>
): Effect.Effect<Status, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const decoder = new TextDecoder("latin1")
    let text = ""
    for (;;) {
      const status = parseStatus(text)
      if (Option.isSome(status)) return status.value
      const bytes = yield* reader.next(Effect.never)
      if (Option.isNone(bytes)) return { code: Option.none(), remark: false }
      yield* begun
      text = (text + decoder.decode(bytes.value)).slice(-4096)
    }
  })

/** The first line that is a number from 0 to 255, and whether anything was said before it. */
export const parseStatus = (text: string): Option.Option<Status> => {
  const found = /(?:^|\n)(\d{1,3})\n/.exec(text)
  const code = Number(found?.[1])
  return found === null || code > 255
    ? Option.none()
    : Option.some({ code: Option.some(code), remark: text.slice(0, found.index).trim() !== "" })
}

const judge = (
  record: MachineRecord,
  cgroup: string,
  status: Status
): Effect.Effect<Exit, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if (Option.contains(status.code, 0)) return { _tag: "Exited", code: 0 }
    if ((yield* Cgroup.outOfMemoryKills(cgroup)) > 0) {
      return { _tag: "OutOfMemory", code: Option.getOrElse(status.code, () => 137) }
    }
    if (Option.isSome(status.code)) {
      const code = status.code.value
      return status.remark && code > 128 ? { _tag: "Signaled", signal: code - 128 } : { _tag: "Exited", code }
    }
    // The shell that would have said the number was killed: alone, or with the whole machine, whose end takes a moment.
    const gone = yield* Effect.timeoutOption(machineGone(record), "400 millis")
    return Option.getOrElse(gone, (): Exit => ({ _tag: "Signaled", signal: 9 }))
  })

const machineGone = (record: MachineRecord): Effect.Effect<Exit, PlatformError.PlatformError> =>
  hasPayload(record).pipe(
    Effect.delay("50 millis"),
    Effect.repeat({ while: (there) => there }),
    Effect.as({ _tag: "MachineGone" } as const)
  )

const forward = <E>(
  reader: Fifo.Reader,
  write: (bytes: Uint8Array) => Effect.Effect<void, E>,
  quiet: Effect.Effect<void>
): Effect.Effect<void, E | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    for (let bytes = yield* reader.next(quiet); Option.isSome(bytes); bytes = yield* reader.next(quiet)) {
      yield* write(bytes.value)
    }
  })

/** What a short command wrote, and how it ended. Of each stream the first `mostBytes` are kept. */
export const collect = <E>(
  record: MachineRecord,
  command: Script | Words<E>,
  options: { readonly timeout?: Duration.Duration; readonly mostBytes: number } & Partial<
    Pick<Options, "environment" | "folder">
  >
): Effect.Effect<{ readonly exit: Exit; readonly stdout: string; readonly stderr: string }, ExecError> =>
  Effect.gen(function* () {
    const kept = () => {
      const chunks: Array<Uint8Array> = []
      let room = options.mostBytes
      return {
        keep: (bytes: Uint8Array) =>
          Effect.sync(() => {
            if (room > 0) chunks.push(bytes.slice(0, room))
            room -= bytes.length
          }),
        text: () => {
          const decoder = new TextDecoder()
          return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") + decoder.decode()
        }
      }
    }
    const stdout = kept()
    const stderr = kept()
    const exit = yield* run(record, command, {
      grace: Duration.seconds(1),
      ...options,
      stdout: stdout.keep,
      stderr: stderr.keep
    })
    return { exit, stdout: stdout.text(), stderr: stderr.text() }
  })
