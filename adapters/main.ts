/**
 * The one place where a process of ours begins and ends: its arguments, its signals, its exit code.
 *
 * The first SIGINT, SIGTERM or SIGHUP interrupts, and finalizers run to their end; a command that runs something in a
 * machine takes the signal itself (`Invocation.claimSignal`), and a second one hurries it.
 */
import { readFileSync } from "node:fs"
import { constants } from "node:os"
import { basename, resolve } from "node:path"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { exitCodeOf } from "./terminal/ExitCodes.ts"
import { Invocation } from "./terminal/Invocation.ts"
import { exitCodes, paragraph } from "./terminal/Paragraph.ts"
import * as Say from "./terminal/Say.ts"

export const args: ReadonlyArray<string> = process.argv.slice(2)

/** What follows `--` as the kernel was given it: Node's argv has lost what is not UTF-8. */
const operands = (): ReadonlyArray<Uint8Array> => {
  const dashes = args.indexOf("--")
  const count = dashes < 0 ? 0 : args.length - dashes - 1
  if (count === 0) return []
  const words: Array<Uint8Array> = []
  let rest: Uint8Array = readFileSync("/proc/self/cmdline")
  for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
    words.push(rest.subarray(0, end))
    rest = rest.subarray(end + 1)
  }
  return words.slice(-count)
}

/** Runs the command as this process, which ends with it. */
export const main = (command: Effect.Effect<void, unknown, Invocation>): void => {
  const first = Deferred.makeUnsafe<number>()
  const second = Deferred.makeUnsafe<void>()
  let claimed = false
  let code = 0

  const invocation = Invocation.of({
    program: resolve(process.argv[1] ?? "", "../../bin", basename(process.argv[1] ?? "", ".cjs")),
    environment: process.env,
    operands: operands(),
    claimSignal: Effect.suspend(() => {
      claimed = true
      return Deferred.await(first)
    }),
    secondSignal: Deferred.await(second),
    exitWith: (wanted) => Effect.sync(() => void (code = wanted))
  })

  const program = command.pipe(
    Effect.catchCause((cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
      const error = Cause.squash(cause)
      return Effect.andThen(
        Say.note(paragraph(error)),
        Effect.sync(() => void (code = exitCodeOf(error)))
      )
    }),
    Effect.provide(
      Layer.merge(Layer.succeed(Invocation, invocation), Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]))
    )
  )

  const fiber = Effect.runFork(program)
  let signals = 0
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      signals += 1
      const number = constants.signals[name]
      if (signals > 1) Deferred.doneUnsafe(second, Effect.void)
      else Deferred.doneUnsafe(first, Effect.succeed(number))
      if (signals > 1 || claimed) return
      code = 128 + number
      Effect.runFork(Fiber.interrupt(fiber))
    })
  }
  fiber.addObserver((exit) =>
    process.exit(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? code : exitCodes.failed)
  )
}
