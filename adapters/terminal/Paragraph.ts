/** A failure as a person reads it: one sentence, a hint, the last lines of whoever said something. And its exit code. */
import { isPlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import { type Exec, Files, Text } from "../../src/index.ts"

/** Redd's own failures, as docker and podman number them; how a command ended has its own (`Exec.exitCode`). */
export const exitCodes = { someFailed: 1, failed: 125, notExecutable: 126, notFound: 127 } as const

/** `redd: what happened`, then `hint: the remedy`, then lines of a console if the failure has some. */
export const paragraph = (error: unknown): string => {
  if (isPlatformError(error)) {
    const said = Files.explain(error)
    return `redd: ${Text.printable(said)}\nhint: ${said.startsWith("no space left") ? "free some space: redd gc, redd image remove" : "--log-level debug shows what was done"}`
  }
  const message = Predicate.hasProperty(error, "message") ? String(error.message) : String(error)
  const hint = Predicate.hasProperty(error, "hint") ? String(error.hint) : ""
  const console = Predicate.hasProperty(error, "console") ? String(error.console) : ""
  return [
    `redd: ${Text.printable(message)}`,
    ...(hint === "" ? [] : [`hint: ${Text.printable(hint)}`]),
    ...(console === "" ? [] : [console.replaceAll(/^/gm, "  | ")])
  ].join("\n")
}

/** What a command's end is called, where it was not simply an exit code. */
export const endInWords = (exit: Exec.Exit): string | undefined => {
  switch (exit._tag) {
    case "Exited":
      return undefined
    case "Signaled":
      return `the command was killed by signal ${exit.signal}${signalNames[exit.signal] === undefined ? "" : ` (SIG${signalNames[exit.signal]})`}`
    case "OutOfMemory":
      return "the command ran out of memory: the kernel killed processes of it (raise its limit: --memory, or REDD_MEMORY in a job of GitLab's)"
    case "TimedOut":
      return `the command did not end within ${exit.afterMs / 1000} s and was killed`
    case "Cancelled":
      return "the command was cancelled"
    case "MachineGone":
      return "the machine went away while the command ran"
  }
}

/** What is said where a command failed in a machine that has no room left. */
export const fullInWords = (record: { readonly root: string }): string =>
  `the machine's disk is full (the file system of ${record.root})`

/** How a command ended, for a program. */
export const endAsJson = (id: string, exit: Exec.Exit, exitCode: number, diskFull = false): string => {
  const { _tag, ...facts } = exit
  const ended = {
    Exited: "exited",
    Signaled: "signaled",
    OutOfMemory: "out-of-memory",
    TimedOut: "timed-out",
    Cancelled: "cancelled",
    MachineGone: "machine-gone"
  }[_tag]
  return JSON.stringify({ id, ended, ...facts, exitCode, ...(diskFull ? { diskFull } : {}) })
}

/** signal(7), the numbers of x86 and ARM. */
const signalNames: Readonly<Record<number, string>> = {
  1: "HUP",
  2: "INT",
  3: "QUIT",
  4: "ILL",
  5: "TRAP",
  6: "ABRT",
  7: "BUS",
  8: "FPE",
  9: "KILL",
  10: "USR1",
  11: "SEGV",
  12: "USR2",
  13: "PIPE",
  14: "ALRM",
  15: "TERM",
  24: "XCPU",
  25: "XFSZ",
  31: "SYS"
}
