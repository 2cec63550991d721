/** Flags whose values people write alike everywhere: sizes, durations, variables. */
import * as Flag from "effect/cli/Flag"
import { Quantity } from "../../src/index.ts"
import * as Assignment from "./Assignment.ts"

export const json = Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))

export const size = (name: string) =>
  Flag.String(name).pipe(
    Flag.filterMap(Quantity.size, (text) => `"${text}" is not a size; write for example --${name} 512M or --${name} 4G`)
  )

export const duration = (name: string) =>
  Flag.String(name).pipe(
    Flag.filterMap(
      Quantity.duration,
      (text) => `"${text}" is not a duration; write for example --${name} 90s or --${name} 5m`
    )
  )

/** How many of something, one at least. */
export const count = (name: string, ofWhat: string) =>
  Flag.Int(name).pipe(
    Flag.filter(
      (count) => count > 0,
      (count) => `${count} is not a number of ${ofWhat}`
    )
  )

/** Processors, a part of one too. */
export const cpus = Flag.Finite("cpus").pipe(
  Flag.filter(
    (cpus) => cpus > 0,
    (cpus) => `${cpus} is not a number of processors`
  )
)

/** Processes and threads together, as the kernel counts them. */
export const tasks = count("tasks", "tasks")

/** `NAME=value`, as often as wanted. */
export const environment = (description: string) =>
  Flag.String("env").pipe(
    Flag.withDescription(description),
    Flag.withMetavar("NAME=VALUE"),
    Flag.filterMap(Assignment.parse, (text) => `"${text}" is not NAME=VALUE with a name of letters, digits and _`),
    Flag.atLeast(0),
    Flag.map((pairs): Readonly<Record<string, string>> => Object.fromEntries(pairs))
  )
