/**
 * Runs one tool of the host to its end.
 *
 * A tool gets a plain environment and never a shell, so what happened can be replayed from the line that is logged at
 * debug level. A failure carries everything that a person would look at: the line, how it ended, what it said last.
 */
import { constants } from "node:os"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Files from "./Files.ts"
import * as Process from "./Process.ts"

/** A tool ended other than with 0. `code` is null when a signal ended it. */
export class ToolFailed extends Schema.TaggedError<ToolFailed>()("ToolFailed", {
  tool: Schema.String,
  commandLine: Schema.String,
  code: Schema.NullOr(Schema.Number),
  signal: Schema.NullOr(Schema.String),
  lastLines: Schema.String
}) {
  override get message(): string {
    const how = this.code === null ? `was killed by ${this.signal ?? "a signal"}` : `failed with exit code ${this.code}`
    return `${this.tool} ${how}${this.lastLines === "" ? "." : `: ${this.lastLines}`}`
  }
  get hint(): string {
    return `replay it: ${this.commandLine}`
  }
}

/** A tool is not installed. */
export class ToolMissing extends Schema.TaggedError<ToolMissing>()("ToolMissing", {
  tool: Schema.String,
  package: Schema.String
}) {
  override get message(): string {
    return `The tool ${this.tool} is not installed.`
  }
  get hint(): string {
    return `apt-get install ${this.package}`
  }
}

export type ToolError = ToolFailed | ToolMissing

/** Descriptors of ours that every tool inherits: the locks under which it is run. */
export const Inherited = Context.Reference<ReadonlyArray<number>>("redd/host/Tool/Inherited", {
  defaultValue: () => []
})

export interface Options {
  /** The folder to run it in. */
  readonly folder?: string | undefined
  /** Added to the plain environment (PATH, LC_ALL). */
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** File descriptors of ours that the tool gets as numbers 3, 4 and so on. */
  readonly descriptors?: ReadonlyArray<number> | undefined
  /** False: without the locks under which it is run, for a tool that only waits. */
  readonly inherits?: boolean | undefined
  /**
   * Runs it with mounts and processes of its own (unshare(1)): whatever it mounted is gone when it ends, and whatever it
   * started has ended, interrupted or not, and even if we are killed. What it writes on standard output counts as progress.
   */
  readonly enclosed?: boolean | undefined
  /** Called with each piece of the tool's standard error as it comes: progress. */
  readonly progress?: ((text: string) => void) | undefined
  /** Called with each piece of its standard output, which is not kept then. */
  readonly output?: ((text: string) => void) | undefined
}

/** The standard output of a tool that succeeded. Interruption ends the tool, and waits until it has ended. */
export const run = (
  tool: string,
  args: ReadonlyArray<string>,
  options: Options = {}
): Effect.Effect<string, ToolError> =>
  Effect.andThen(Effect.logDebug(commandLine(tool, args)), Inherited).pipe(
    Effect.flatMap((inherited) =>
      Effect.callback<string, ToolError>((resume) => {
        const enclosed = options.enclosed === true
        const [program, words] = enclosed ? ["setpriv", [...enclosure, tool, ...args]] : [tool, args]
        const child = childProcess().spawn(program, words, {
          cwd: options.folder,
          env: { ...plainEnvironment, ...options.environment },
          stdio: [
            "ignore",
            "pipe",
            "pipe",
            ...(options.descriptors ?? []),
            ...(options.inherits === false ? [] : inherited)
          ]
        })
        const stdout: Array<Buffer> = []
        let stderr = ""
        if (options.output === undefined) child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk))
        else child.stdout?.setEncoding("utf8").on("data", options.output)
        child.stderr?.setEncoding("utf8").on("data", (text: string) => {
          stderr = (stderr + text).slice(-keptErrorCharacters)
          options.progress?.(text)
        })
        child.on("error", () => resume(Effect.fail(missing(program))))
        child.on("close", (code, signal) => {
          if (code === 0) return resume(Effect.succeed(Buffer.concat(stdout).toString("utf8")))
          resume(Effect.fail(failed(tool, args, code, signal, stderr)))
        })
        return Effect.callback<void>((ended) => {
          if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return ended(Effect.void)
          child.on("exit", () => ended(Effect.void))
          // The first process of an enclosure is not reaped before all others in it are (pid_namespaces(7)), and unshare
          // waits for it: when that one is killed, the end of unshare means that nothing goes on.
          const first = enclosed ? Process.childrenOf(child.pid) : []
          if (first.length === 0) child.kill("SIGKILL")
          for (const pid of first) process.kill(pid, "SIGKILL")
        })
      })
    ),
    Effect.withSpan(tool)
  )

/** The standard output of a tool, as it comes. Fails at the end when the tool failed; the tool ends with the scope. */
export const stream = (tool: string, args: ReadonlyArray<string>): Stream.Stream<Uint8Array, ToolError> =>
  Stream.unwrap(
    Effect.map(spawnScoped(tool, args), ({ child, ended }) =>
      Stream.concat(
        Stream.orDie(
          NodeStream.fromReadable<Uint8Array, unknown>({ evaluate: () => child.stdout, onError: (error) => error })
        ),
        Stream.fromEffectDrain(ended)
      )
    )
  )

/** A tool that is fed on its standard input. `end` closes it and waits for the tool to succeed. */
export interface Fed {
  write(bytes: Uint8Array): Effect.Effect<void>
  readonly end: Effect.Effect<void, ToolError>
}

/** Starts a tool to be fed; it ends with the scope. */
export const feed = (tool: string, args: ReadonlyArray<string>): Effect.Effect<Fed, ToolError, Scope.Scope> =>
  Effect.map(spawnScoped(tool, args), ({ child, ended }) => {
    // A tool that has ended takes no more (EPIPE); what it says of why is in `end`.
    child.stdin.on("error", () => undefined)
    child.stdout.resume()
    return {
      write: (bytes) =>
        Effect.callback<void>((resume) => {
          child.stdin.write(bytes, () => resume(Effect.void))
        }),
      end: Effect.andThen(
        Effect.sync(() => child.stdin.end()),
        ended
      )
    }
  })

const spawnScoped = (tool: string, args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.andThen(
      Effect.logDebug(commandLine(tool, args)),
      Effect.sync(() => {
        const child = childProcess().spawn(tool, args, { env: plainEnvironment, stdio: ["pipe", "pipe", "pipe"] })
        let stderr = ""
        child.stderr.setEncoding("utf8").on("data", (text: string) => {
          stderr = (stderr + text).slice(-keptErrorCharacters)
        })
        const outcome = new Promise<ToolError | undefined>((resolve) => {
          child.on("error", () => resolve(missing(tool)))
          child.on("close", (code, signal) => {
            resolve(code === 0 ? undefined : failed(tool, args, code, signal, stderr))
          })
        })
        const ended = Effect.flatMap(
          Effect.promise(() => outcome),
          (error) => (error === undefined ? Effect.void : Effect.fail(error))
        )
        return { child, ended }
      })
    ),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** Where a tool is installed; one that is named by its path is there. */
export const find = (tool: string): Effect.Effect<Option.Option<string>, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if (tool.includes("/")) return (yield* Files.exists(tool)) ? Option.some(tool) : Option.none()
    for (const folder of plainEnvironment.PATH.split(":"))
      if (yield* Files.exists(`${folder}/${tool}`)) return Option.some(`${folder}/${tool}`)
    return Option.none()
  })

/** The path of a tool. Fails with ToolMissing where it is not installed. */
export const locate = (tool: string): Effect.Effect<string, ToolMissing | PlatformError.PlatformError> =>
  Effect.flatMap(find(tool), (found) =>
    Option.isSome(found) ? Effect.succeed(found.value) : Effect.fail(missing(tool))
  )

/** Fails with ToolMissing where a tool is not installed: said before anything is done, and not half-way. */
export const ensure = (tool: string): Effect.Effect<void, ToolMissing | PlatformError.PlatformError> =>
  Effect.asVoid(locate(tool))

/** Runs a tool on our own terminal and returns its exit code, 128+n for signal n: for a person, not for jobs. */
export const attach = (tool: string, args: ReadonlyArray<string>): Effect.Effect<number, ToolMissing> =>
  Effect.andThen(
    Effect.logDebug(commandLine(tool, args)),
    Effect.callback<number, ToolMissing>((resume) => {
      const term = process.env["TERM"]
      const child = childProcess().spawn(tool, args, {
        env: term === undefined ? plainEnvironment : { ...plainEnvironment, TERM: term },
        stdio: "inherit"
      })
      child.on("error", () => resume(Effect.fail(missing(tool))))
      child.on("close", (code, signal) =>
        resume(Effect.succeed(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
      )
    })
  )

/** Starts a tool in a session of its own, to outlive us. Returns once execve(2) succeeded. */
export const startDetached = (
  tool: string,
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>
): Effect.Effect<void, ToolMissing> =>
  Effect.logDebug(commandLine(tool, args)).pipe(
    Effect.andThen(
      Effect.callback<void, ToolMissing>((resume) => {
        const child = childProcess().spawn(tool, args, {
          env: { ...plainEnvironment, ...environment },
          stdio: "ignore",
          detached: true
        })
        child.on("error", () => resume(Effect.fail(missing(tool))))
        child.on("spawn", () => {
          child.unref()
          resume(Effect.void)
        })
      })
    ),
    Effect.withSpan(tool)
  )

/**
 * In front of a tool's own words, what encloses it. The kernel ends it when we die (setpriv(1), PR_SET_PDEATHSIG), and
 * whoever it enclosed. The shell stays the first process of the enclosure: most tools would not reap what others left to
 * them.
 */
const enclosure: ReadonlyArray<string> = [
  "--pdeathsig",
  "KILL",
  "unshare",
  "--mount",
  "--propagation=slave",
  "--pid",
  "--mount-proc",
  "--fork",
  "--kill-child",
  "/bin/sh",
  "-c",
  '"$@" >&2; exit $?',
  "enclosed"
]

/** Loaded with the first tool: most runs of a command need none. */
const childProcess = () => process.getBuiltinModule("node:child_process")

const missing = (tool: string): ToolMissing => new ToolMissing({ tool, package: packages[tool] ?? tool })

const failed = (
  tool: string,
  args: ReadonlyArray<string>,
  code: number | null,
  signal: string | null,
  stderr: string
): ToolFailed => {
  const lastLines = stderr.trim().split("\n").slice(-20).join("\n")
  return new ToolFailed({ tool, commandLine: commandLine(tool, args), code, signal, lastLines })
}

/** A command line as a person would type it in a shell. */
export const commandLine = (tool: string, args: ReadonlyArray<string>): string =>
  [tool, ...args].map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(" ")

/** What every tool is run with: no variable of the caller's changes what it does. */
export const plainEnvironment = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C.UTF-8"
}

const keptErrorCharacters = 16_384

/** Debian's package for each tool, for the hint. */
const packages: Readonly<Record<string, string>> = {
  btrfs: "btrfs-progs",
  "mkfs.btrfs": "btrfs-progs",
  chattr: "e2fsprogs",
  xz: "xz-utils",
  od: "coreutils",
  sha256sum: "coreutils",
  sha512sum: "coreutils",
  cp: "coreutils",
  mkfifo: "coreutils",
  flock: "util-linux",
  sync: "coreutils",
  du: "coreutils",
  find: "findutils",
  mount: "mount",
  umount: "mount",
  losetup: "mount",
  nsenter: "util-linux",
  setpriv: "util-linux",
  unshare: "util-linux",
  machinectl: "systemd-container",
  "ansible-playbook": "ansible-core",
  getent: "libc-bin",
  "systemd-nspawn": "systemd-container",
  "systemd-run": "systemd",
  systemctl: "systemd",
  journalctl: "systemd"
}
