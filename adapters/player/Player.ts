/** `redd player`: programs that are kept playing, and stopped with all that they started. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import {
  Files,
  LogFile,
  type Manager,
  Managers,
  Players,
  Process,
  Quantity,
  Slice,
  type SliceName,
  Tool
} from "../../src/index.ts"
import { Invocation } from "../terminal/Invocation.ts"
import { operandsOf, UsageWrong } from "../terminal/Operands.ts"
import { paragraph } from "../terminal/Paragraph.ts"
import * as Say from "../terminal/Say.ts"
import * as Values from "../terminal/Values.ts"
import * as Flags from "./Flags.ts"
import * as Looking from "./Looking.ts"
import * as Starting from "./Starting.ts"
import * as Supervising from "./Supervising.ts"

/** The manager that was asked for, or the best one, and a word about why it is not a better one. */
const choose = (wanted: Manager.ManagerName | "auto") =>
  Effect.gen(function* () {
    const { environment } = yield* Invocation
    const { manager, passed, why } = yield* Managers.choose(wanted, { runtimeFolder: environment["XDG_RUNTIME_DIR"] })
    if (passed.length > 0) yield* Effect.logInfo(`held by ${why}`)
    return manager
  })

/** The manager that holds a player of this name, as its file says; else as `choose`. */
const managerOf = (wanted: Manager.ManagerName | "auto", name: SliceName.SliceName) =>
  Effect.gen(function* () {
    const manager = yield* choose(wanted)
    if (wanted !== "auto") return manager
    // One whose file cannot be read can still be stopped by its name.
    const record = yield* Effect.orElseSucceed(Players.find(manager, name), Option.none<Players.PlayerRecord>)
    return Option.isSome(record) && record.value.manager !== manager.name
      ? yield* choose(record.value.manager)
      : manager
  })

const start = Command.make(
  "start",
  {
    ...Flags.life,
    ...Flags.signs,
    manager: Flags.manager,
    foreground: Flag.Boolean("foreground").pipe(
      Flag.withDescription("Supervise it in this process, with its output on ours, until it ends"),
      Flag.withDefault(false)
    ),
    name: Flags.name,
    command: Flags.command.pipe(Argument.atLeast(1))
  },
  (flags) =>
    Effect.gen(function* () {
      const { environment, exitWith } = yield* Invocation
      const manager = yield* choose(flags.manager)
      yield* operandsOf(flags.command)
      const [program = "", ...args] = flags.command
      const spec = Flags.specOf([program, ...args], flags, environment)
      const folder = Files.absolute(spec.folder ?? ".")
      if (!flags.foreground) {
        yield* manager.lasting
        return yield* Starting.start(manager, flags.name, { ...spec, folder })
      }
      const outcome = yield* Effect.scoped(
        Effect.gen(function* () {
          const { supervise } = yield* Supervising.begin({
            manager,
            name: flags.name,
            logs: false,
            on: Supervising.say
          })
          return yield* supervise(spec)
        })
      )
      yield* exitWith(Supervising.codeOf(outcome))
    })
).pipe(
  Command.withDescription("Start a player and keep it playing; returns when it is ready"),
  Command.withExamples([
    {
      command: "redd player start web --ready port:8080 -- ./serve --port 8080",
      description: "A server, ready when it listens"
    },
    {
      command: "redd player start show --restart always --inhibit idle:sleep -- soffice --show talk.odp",
      description: "A presentation that comes back whenever it ends"
    }
  ])
)

/** Stops whatever has this name, and forgets it. */
const stopIt = (manager: Manager.Manager, name: SliceName.SliceName, grace: Duration.Duration | undefined) =>
  Effect.gen(function* () {
    const found = yield* Slice.find(name, manager)
    const spec = Option.map(
      yield* Effect.orElseSucceed(Players.find(manager, name), Option.none<Players.PlayerRecord>),
      (record) => record.spec
    )
    const how = Option.match(spec, {
      onNone: () => (grace === undefined ? {} : { grace }),
      onSome: ({ graceMs, signal }) => ({ signal, grace: grace ?? Duration.millis(graceMs) })
    })
    const owner = Option.flatMap(found, (each) => each.owner)
    const supervisor = Option.isSome(owner) ? yield* Process.find(owner.value.pid) : Option.none()
    yield* Slice.stop(name, manager, how)
    // It may be just writing down how it ended.
    if (Option.isSome(supervisor)) yield* Effect.timeoutOption(Process.awaitEnd(supervisor.value), Duration.seconds(5))
    yield* Players.forget(manager, name)
    yield* Starting.sweep(manager)
    return Option.isSome(found)
  })

const grace = Values.duration("grace").pipe(
  Flag.withDescription("From the signal until all is killed (what it was started with, else 10s)"),
  Flag.optional
)

const stop = Command.make("stop", { grace, manager: Flags.manager, name: Flags.name }, (flags) =>
  Effect.gen(function* () {
    const manager = yield* managerOf(flags.manager, flags.name)
    const was = yield* stopIt(manager, flags.name, Option.getOrUndefined(flags.grace))
    yield* Say.note(was ? `redd: player "${flags.name}" is stopped` : `redd: no player "${flags.name}" is running`)
  })
).pipe(Command.withDescription("Stop a player and all that it started; a second time is a success"))

const restart = Command.make("restart", { grace, manager: Flags.manager, name: Flags.name }, (flags) =>
  Effect.gen(function* () {
    const manager = yield* managerOf(flags.manager, flags.name)
    const { log, spec } = yield* Looking.get(manager, flags.name)
    if (log === undefined) {
      return yield* new UsageWrong({
        reason: `The player "${flags.name}" is supervised by the command that started it`,
        remedy: "end that command, and call it again"
      })
    }
    yield* stopIt(manager, flags.name, Option.getOrUndefined(flags.grace))
    yield* Starting.start(manager, flags.name, spec)
  })
).pipe(Command.withDescription("Stop a player, and start it as it was started"))

const tableOf = (rows: ReadonlyArray<Looking.Row>, nowMs: number) =>
  Say.table(
    ["NAME", "STATE", "PROCESSES", "MEMORY", "CPU", "FOR", "RESTARTS", "COMMAND"],
    rows.map((row) => [
      row.name,
      row.state,
      String(row.processes.length),
      Quantity.formatSize(row.memoryBytes),
      `${(row.cpuMs / 1000).toFixed(1)}s`,
      row.since === null ? "" : Quantity.formatAge(nowMs - Date.parse(row.since)),
      String(row.restarts),
      Tool.commandLine(row.command[0] ?? "", row.command.slice(1)).slice(0, 60)
    ])
  )

const list = Command.make("list", { json: Values.json, manager: Flags.manager }, (flags) =>
  Effect.gen(function* () {
    const { rows, unreadable } = yield* Looking.all(yield* choose(flags.manager), choose)
    for (const error of unreadable) yield* Say.note(paragraph(error))
    if (flags.json) return yield* Say.result(JSON.stringify(rows))
    yield* tableOf(rows, yield* Clock.currentTimeMillis)
  })
).pipe(Command.withDescription("The players of this user"))

const status = Command.make(
  "status",
  { json: Values.json, manager: Flags.manager, name: Flags.name.pipe(Argument.optional) },
  (flags) =>
    Effect.gen(function* () {
      const manager = yield* choose(flags.manager)
      const rows = Option.isSome(flags.name)
        ? [yield* Looking.one(yield* managerOf(flags.manager, flags.name.value), flags.name.value)]
        : (yield* Looking.all(manager, choose)).rows
      if (flags.json) return yield* Say.result(JSON.stringify(Option.isSome(flags.name) ? rows[0] : rows))
      for (const { processes, ...row } of rows) {
        for (const [key, value] of Object.entries({
          ...row,
          command: Tool.commandLine(row.command[0] ?? "", row.command.slice(1))
        }))
          if (value !== null) yield* Say.result(`${key.padEnd(12)}${value}`)
        for (const { command, pid } of processes) yield* Say.result(`${"process".padEnd(12)}${pid} ${command}`)
      }
    })
).pipe(Command.withDescription("How a player does, or all of them: processes, memory, since when"))

const logs = Command.make(
  "logs",
  {
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Go on with what comes"),
      Flag.withDefault(false)
    ),
    lines: Flag.Int("lines").pipe(
      Flag.withAlias("n"),
      Flag.withDescription("How many of the last lines"),
      Flag.withDefault(100)
    ),
    manager: Flags.manager,
    name: Flags.name
  },
  (flags) =>
    Effect.gen(function* () {
      const manager = yield* choose(flags.manager)
      const file = Supervising.logOf(manager, flags.name)
      if (!(yield* Files.exists(file))) {
        const { log } = yield* Looking.get(manager, flags.name)
        return yield* new UsageWrong({
          reason: `The player "${flags.name}" ${log === undefined ? "writes where the command that started it writes" : "has no log any more"}`,
          remedy: "look there (in the journal, if that is a unit)"
        })
      }
      const older = LogFile.olderOf(file)
      const lines = String(Math.max(0, flags.lines))
      const { exitWith } = yield* Invocation
      yield* exitWith(
        flags.follow
          ? yield* Tool.attach("tail", ["--follow=name", "--retry", `--lines=${lines}`, "--", file])
          : yield* Tool.attach("/bin/sh", ["-c", 'cat -- "$@" 2>/dev/null | tail -n "$0"', lines, older, file])
      )
    })
).pipe(Command.withDescription("What a player said: half a megabyte and more is kept"))

const watch = Command.make(
  "watch",
  {
    ...Flags.life,
    path: Flag.String("path").pipe(Flag.withDescription("The folder that is watched"), Flag.optional),
    signage: Flag.String("signage").pipe(
      Flag.withDescription("A file that says what plays which media"),
      Flag.optional
    ),
    manager: Flags.manager,
    name: Flags.name,
    command: Flags.command.pipe(Argument.atLeast(0))
  },
  (flags) =>
    Effect.gen(function* () {
      const { environment } = yield* Invocation
      // It reads YAML: what plays without a file loads none.
      const Watching = yield* Effect.promise(() => import("./Watching.ts"))
      yield* operandsOf(flags.command)
      const signage = yield* Watching.signageOf(
        Option.getOrUndefined(flags.signage),
        Option.getOrUndefined(flags.path),
        flags.command
      )
      const manager = yield* choose(flags.manager)
      yield* Watching.watch(manager, flags.name, signage, (command) => {
        const spec = Flags.specOf(command, flags, environment)
        return Option.isNone(flags.signage) ? spec : Watching.asSignageSays(spec, signage)
      })
    })
).pipe(
  Command.withDescription("Play what is newest in a folder, and stop all of the old player when the media change"),
  Command.withExamples([
    { command: "redd player watch lobby --path /srv/media -- mpv --loop '{newest}'", description: "The newest film" },
    { command: "redd player watch lobby --signage signage.yaml", description: "A signage box" }
  ])
)

/** What the process that `start` leaves behind does. Its words stand in no help: nobody else calls it. */
export const supervise = (args: ReadonlyArray<string>) =>
  Option.map(Starting.orderOf(args), (order) => Starting.obey(choose, order))

export const player = Command.make("player").pipe(
  Command.withDescription("Players: programs that are kept running, and stopped with all that they started"),
  Command.withSubcommands([start, stop, restart, status, logs, list, watch])
)
