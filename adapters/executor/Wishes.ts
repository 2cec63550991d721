/** What a job asks for by variables, and what of it the administrator's configuration gives. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type MachineRecord, Quantity, Text } from "../../src/index.ts"
import type { Configuration } from "../terminal/Configuration.ts"
import type { Contract } from "./Contract.ts"

/** A variable of the job's makes no sense. */
export class WishInvalid extends Schema.TaggedError<WishInvalid>()("WishInvalid", {
  variable: Schema.String,
  value: Schema.String,
  expected: Schema.String
}) {
  override get message(): string {
    return `The variable ${this.variable} is "${Text.brief(this.value)}", which is not ${this.expected}.`
  }
  get hint(): string {
    return "correct it in .gitlab-ci.yml, or in the project's CI/CD variables"
  }
}

/** What a job asked for; undefined: nothing. */
export interface Wishes {
  readonly memoryBytes?: number | undefined
  readonly cpus?: number | undefined
  readonly tmpSizeBytes?: number | undefined
  readonly network?: MachineRecord.Network | undefined
  readonly keep: boolean
}

/** What its machine gets, and what the job's author should know of that. */
export interface Granted {
  readonly limits: MachineRecord.Limits
  readonly tmpSizeBytes: number | undefined
  readonly network: MachineRecord.Network
  readonly remarks: ReadonlyArray<string>
}

/** Reads `REDD_MEMORY`, `REDD_CPUS`, `REDD_TMP_SIZE`, `REDD_NETWORK` and `REDD_KEEP`. */
export const read = (contract: Contract): Effect.Effect<Wishes, WishInvalid> =>
  Effect.gen(function* () {
    return {
      memoryBytes: yield* wish(contract, "REDD_MEMORY", "a size such as 512M or 4G, 16M at least", memory),
      cpus: yield* wish(contract, "REDD_CPUS", "a number of processors such as 2 or 0.5, 0.05 at least", cpus),
      tmpSizeBytes: yield* wish(contract, "REDD_TMP_SIZE", "a size such as 512M or 4G", Quantity.size),
      network: yield* wish(contract, "REDD_NETWORK", "host or none", oneOf(["host", "none"])),
      keep: (yield* wish(contract, "REDD_KEEP", "never or on-failure", oneOf(["never", "on-failure"]))) === "on-failure"
    }
  })

/**
 * What a job gets: what it asked for, and no more than the administrator gives.
 *
 * Without a wish that is `limits` of the configuration; for memory, where nothing is configured, an equal share of nine
 * tenths of the host's for each of the runner's concurrent jobs. Processors have no such share: the kernel divides them
 * evenly among those that want them. `gitlab.most` is how far a job may go beyond.
 */
export const grant = (
  wishes: Wishes,
  settings: Pick<Configuration, "limits" | "gitlab">,
  host: { readonly memoryBytes: number; readonly concurrency: number | undefined }
): Granted => {
  const remarks: Array<string> = []
  const { most, network } = settings.gitlab
  const capped = (
    variable: string,
    wish: number | undefined,
    usual: number | undefined,
    cap: number | undefined,
    format: (value: number) => string
  ) => {
    const limit = cap ?? usual
    if (wish === undefined || limit === undefined || wish <= limit) return wish ?? usual
    remarks.push(`${variable} asks for ${format(wish)}, and this runner gives at most ${format(limit)}`)
    return limit
  }
  const share = host.concurrency === undefined ? undefined : Math.floor((host.memoryBytes * 0.9) / host.concurrency)
  const memoryBytes = capped(
    "REDD_MEMORY",
    wishes.memoryBytes,
    settings.limits.memoryBytes ?? share,
    most.memoryBytes,
    Quantity.formatSize
  )
  const processors = capped("REDD_CPUS", wishes.cpus, settings.limits.cpus, most.cpus, String)
  const tmpSizeBytes = capped(
    "REDD_TMP_SIZE",
    wishes.tmpSizeBytes,
    undefined,
    most.tmpSizeBytes ?? memoryBytes,
    Quantity.formatSize
  )
  if (wishes.network === "host" && network === "none")
    remarks.push("REDD_NETWORK asks for the host's network, which this runner gives no job")
  return {
    limits: {
      ...settings.limits,
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      ...(processors === undefined ? {} : { cpus: processors })
    },
    tmpSizeBytes,
    network: network === "none" ? "none" : (wishes.network ?? "host"),
    remarks
  }
}

const wish = <A>(
  contract: Contract,
  variable: string,
  expected: string,
  parse: (text: string) => Option.Option<A>
): Effect.Effect<A | undefined, WishInvalid> => {
  const value = contract.variable(variable)
  if (value === undefined) return Effect.succeed(undefined)
  return Option.match(parse(value), {
    onNone: () => Effect.fail(new WishInvalid({ variable, value, expected })),
    onSome: Effect.succeed<A>
  })
}

/** With less no machine boots. Who writes 512 has forgotten the M. */
const leastMemoryBytes = 16 * 2 ** 20
const leastCpus = 0.05

const memory = (text: string): Option.Option<number> =>
  Option.filter(Quantity.size(text), (bytes) => bytes >= leastMemoryBytes)

const cpus = (text: string): Option.Option<number> =>
  /^\d+(\.\d+)?$/.test(text) && Number(text) >= leastCpus ? Option.some(Number(text)) : Option.none()

const oneOf =
  <const A extends string>(words: ReadonlyArray<A>) =>
  (text: string): Option.Option<A> =>
    Option.fromUndefinedOr(words.find((word) => word === text))
