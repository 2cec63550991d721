/**
 * A command as a child of ours, with the descriptors that it is given, and how it ended.
 *
 * Not Effect's ChildProcess: it tells a death by signal in a text alone, and hands on no descriptors (docs/decisions).
 */
import { Readable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Process from "./Process.ts"

/** How a command ended. */
export type Exit =
  /** By itself, with this code. */
  | { readonly _tag: "Exited"; readonly code: number }
  /** Killed by this signal (signal(7)). */
  | { readonly _tag: "Signaled"; readonly signal: number }

/** The exit code that stands for an end in a shell: the command's own, 128+n for signal n. */
export const exitCode = (exit: Exit): number => (exit._tag === "Exited" ? exit.code : 128 + exit.signal)

/** Words that go on from the command's name. */
export const inWords = (exit: Exit): string =>
  exit._tag === "Exited" ? `ended with exit code ${exit.code}` : `was killed by signal ${exit.signal}`

export interface Options {
  readonly words: readonly [string, ...ReadonlyArray<string>]
  /** All of it. */
  readonly environment: Readonly<Record<string, string>>
  /** Its descriptors from 0 on: one of ours, /dev/null, or a pipe on which it reports (at most one). */
  readonly descriptors: ReadonlyArray<number | "ignore" | "report">
  /** In a session of its own (setsid(2)): a key on our terminal sends it no signal. */
  readonly session: boolean
}

export interface Child {
  readonly pid: number
  readonly exit: Effect.Effect<Exit>
  /**
   * What it wrote on its report until a line was `end`; not complete where the report ended without one. The report is
   * closed from then on.
   */
  readonly report: Effect.Effect<{ readonly text: string; readonly complete: boolean }>
  /** Sends a signal to it, unless it has ended. */
  signal(name: NodeJS.Signals): Effect.Effect<void>
}

/** Starts it. Fails with what the kernel said where not even a process could be made. */
export const start = (options: Options, end: string): Effect.Effect<Child, Error> =>
  Effect.callback<Child, Error>((resume) => {
    const [program, ...args] = options.words
    const child = process.getBuiltinModule("node:child_process").spawn(program, args, {
      env: options.environment,
      detached: options.session,
      stdio: options.descriptors.map((descriptor) => (descriptor === "report" ? ("pipe" as const) : descriptor))
    })
    const exited = new Promise<Exit>((resolve) => {
      child.on("exit", (code, signal) =>
        resolve(
          signal === null
            ? { _tag: "Exited", code: code ?? 0 }
            : { _tag: "Signaled", signal: Process.signalNumber(signal) }
        )
      )
    })
    const position = options.descriptors.indexOf("report")
    const pipe = child.stdio[position]
    const reported = new Promise<{ readonly text: string; readonly complete: boolean }>((resolve) => {
      let text = ""
      const settle = (complete: boolean) => {
        if (pipe instanceof Readable) pipe.destroy()
        resolve({ text: text.slice(-mostReportCharacters), complete })
      }
      if (!(pipe instanceof Readable)) return resolve({ text, complete: true })
      pipe.on("error", () => settle(false))
      pipe.on("close", () => settle(false))
      pipe.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk
        if (`\n${text}`.endsWith(`\n${end}\n`)) settle(true)
      })
    })
    child.on("error", (error) => resume(Effect.fail(error)))
    child.on("spawn", () =>
      resume(
        Effect.succeed({
          pid: child.pid ?? 0,
          exit: Effect.promise(() => exited),
          report: Effect.promise(() => reported),
          signal: (name) =>
            Effect.sync(() => {
              child.kill(name)
            })
        })
      )
    )
  })

const mostReportCharacters = 16_384
