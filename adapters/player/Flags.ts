/** The flags that say how a player lives. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import { Manager, PlayerSpec, Process, Quantity, SliceName } from "../../src/index.ts"
import * as Values from "../terminal/Values.ts"

const decodeName = Schema.decodeUnknownOption(SliceName.SliceName)

export const name = Argument.String("name").pipe(
  Argument.withDescription("What the player is called: any text"),
  Argument.filterMap(decodeName, () => "a player is called by a text of 1 to 1000 bytes")
)

export const command = Argument.String("command").pipe(
  Argument.withDescription("After --: the program and its arguments; no shell reads them")
)

export const manager = Flag.Literals("manager", ["auto", ...Manager.ManagerName.literals]).pipe(
  Flag.withDescription("Who holds its processes (auto: systemd, else a cgroup, else a PID namespace)"),
  Flag.withDefault("auto")
)

/** `immediately`, a duration, `line:TEXT`, `port:N`, `notify`. */
export const parseReady = (text: string): Option.Option<PlayerSpec.Ready> => {
  if (text === "immediately") return Option.some({ _tag: "Immediately" })
  if (text === "notify") return Option.some({ _tag: "Notify" })
  if (text.startsWith("line:") && text.length > 5) return Option.some({ _tag: "Line", text: text.slice(5) })
  const port = /^port:([1-9]\d{0,4})$/.exec(text)?.[1]
  if (port !== undefined)
    return Number(port) < 65_536 ? Option.some({ _tag: "Port", port: Number(port) }) : Option.none()
  return Option.map(Quantity.duration(text), (after) => ({ _tag: "After", ms: Duration.toMillis(after) }))
}

const period = (flag: string) => Flag.map(Values.duration(flag), Duration.toMillis)

const decodeInhibited = Schema.decodeUnknownOption(PlayerSpec.PlayerSpec.fields.inhibit)

/** How a player is run, whatever says what it plays. */
export const life = {
  restart: Flag.Literals("restart", PlayerSpec.PlayerSpec.fields.restart.literals).pipe(
    Flag.withDescription("When it is started again after it ended"),
    Flag.withDefault(PlayerSpec.defaults.restart)
  ),
  restartLimit: Flag.String("restart-limit").pipe(
    Flag.withDescription("How many starts anew within which time are too many (10/5m)"),
    Flag.withMetavar("TIMES/WITHIN"),
    Flag.filterMap(
      (text) => {
        const [, times, within = ""] = /^(\d{1,6})\/(\w+)$/.exec(text) ?? []
        return times === undefined
          ? Option.none()
          : Option.map(Quantity.duration(within), (window) => ({
              restarts: Number(times),
              windowMs: Duration.toMillis(window)
            }))
      },
      (text) => `"${text}" is not a number of starts and a time; write for example --restart-limit 10/5m`
    ),
    Flag.optional
  ),
  signal: Flag.String("signal").pipe(
    Flag.withDescription("What all of its processes get when it is stopped (SIGTERM)"),
    Flag.map((text) => (text.startsWith("SIG") ? text : `SIG${text}`).toUpperCase()),
    Flag.filterMap(
      (text) => (Process.isSignal(text) ? Option.some(text) : Option.none()),
      (text) => `"${text}" is no signal; write for example --signal INT`
    ),
    Flag.withDefault(PlayerSpec.defaults.signal)
  ),
  grace: period("grace").pipe(
    Flag.withDescription("From the signal until it is killed (10s)"),
    Flag.withDefault(PlayerSpec.defaults.graceMs)
  ),
  env: Values.environment("A variable for it"),
  cwd: Flag.String("cwd").pipe(Flag.withDescription("Its working directory (ours)"), Flag.optional),
  user: Flag.String("user").pipe(Flag.withDescription("Run it as this user; for root alone"), Flag.optional),
  memory: Values.size("memory").pipe(Flag.withDescription("The most memory that it may use"), Flag.optional),
  cpus: Values.cpus.pipe(Flag.withDescription("Processors that it may use at once, as 0.5 or 2"), Flag.optional),
  tasks: Values.tasks.pipe(Flag.withDescription("The most processes and threads that it may have"), Flag.optional),
  forking: Flag.Boolean("forking").pipe(
    Flag.withDescription("It plays on when its command has ended, as long as anything lives that that has started"),
    Flag.withDefault(false)
  ),
  inhibit: Flag.String("inhibit").pipe(
    Flag.withDescription("What shall not happen while it plays: idle:sleep, as systemd-inhibit names it"),
    Flag.filterMap(
      (text) => decodeInhibited(text.split(":")),
      (text) => `"${text}" is not what systemd-inhibit can hold up; write for example --inhibit idle:sleep`
    ),
    Flag.optional
  )
}

/** How it is seen that one command is ready, and well. */
export const signs = {
  ready: Flag.String("ready").pipe(
    Flag.withDescription("When it is ready: immediately, a time as 2s, line:TEXT, port:N, notify"),
    Flag.filterMap(parseReady, (text) => `"${text}" is none of immediately, 2s, line:TEXT, port:N, notify`),
    Flag.withDefault(PlayerSpec.defaults.ready)
  ),
  readyWithin: period("ready-within").pipe(
    Flag.withDescription("How long that may take (1m)"),
    Flag.withDefault(PlayerSpec.defaults.readyWithinMs)
  ),
  watchdog: period("watchdog").pipe(
    Flag.withDescription("It has to say WATCHDOG=1 at least as often (sd_notify)"),
    Flag.optional
  ),
  check: Flag.String("check").pipe(
    Flag.withDescription("A shell command that succeeds while it is well"),
    Flag.optional
  ),
  checkEvery: period("check-every").pipe(
    Flag.withDescription("How often that is run, and how long it may take (10s)"),
    Flag.withDefault(10_000)
  )
}

type Parsed<A> = { readonly [K in keyof A]: A[K] extends Flag.Flag<infer T> ? T : never }
export type Life = Parsed<typeof life>
export type Signs = Parsed<typeof signs>

/** A player of one command. Its environment is ours, and what was asked for. */
export const specOf = (
  command: readonly [string, ...ReadonlyArray<string>],
  flags: Life & Partial<Signs>,
  ours: Readonly<Record<string, string | undefined>>
): PlayerSpec.PlayerSpec => {
  const { defaults } = PlayerSpec
  return {
    command,
    ...where(flags.cwd, (folder) => ({ folder })),
    environment: { ...definedOf(ours), ...flags.env },
    ...where(flags.user, (user) => ({ user })),
    limits: {
      ...where(flags.memory, (memoryBytes) => ({ memoryBytes })),
      ...where(flags.cpus, (cpus) => ({ cpus })),
      ...where(flags.tasks, (tasks) => ({ tasks }))
    },
    forking: flags.forking,
    restart: flags.restart,
    restarts: defaults.restarts,
    windowMs: defaults.windowMs,
    ...where(flags.restartLimit, (limit) => limit),
    ready: flags.ready ?? defaults.ready,
    readyWithinMs: flags.readyWithin ?? defaults.readyWithinMs,
    ...where(flags.watchdog, (watchdogMs) => ({ watchdogMs })),
    ...where(flags.check, (script) => ({
      check: { command: ["/bin/sh", "-c", script] as const, everyMs: flags.checkEvery ?? 10_000 }
    })),
    signal: flags.signal,
    graceMs: flags.grace,
    inhibit: Option.getOrElse(flags.inhibit, () => [])
  }
}

/** What a value says, where there is one. */
const where = <A, B extends object>(value: Option.Option<A> | undefined, say: (value: A) => B): B | object =>
  value === undefined || Option.isNone(value) ? {} : say(value.value)

const definedOf = (environment: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  )
