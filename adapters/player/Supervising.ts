/** A player supervised by this process: its file tells how it does, and others may stop it by its name. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import {
  Child,
  Descriptor,
  LogFile,
  type Manager,
  Players,
  PlayerSpec,
  Slice,
  type SliceName,
  Supervisor
} from "../../src/index.ts"
import { exitCodes, paragraph } from "../terminal/Paragraph.ts"
import * as Say from "../terminal/Say.ts"

/** Half a megabyte, and as much of what came before. */
const mostLogBytes = 524_288

/** Where the log of a player is that nobody looks at. */
export const logOf = (manager: Manager.Manager, name: SliceName.SliceName): string =>
  `${Players.placeOf(manager, name)}.log`

export interface Options {
  readonly manager: Manager.Manager
  readonly name: SliceName.SliceName
  /** Told of what happens, after the player's file. */
  readonly on: (event: Supervisor.Event) => Effect.Effect<void>
  /** Its output goes into its log, and not where ours goes. */
  readonly logs: boolean
}

/** What keeps a player's file, and may supervise one spec after the other. */
export interface Supervising {
  readonly slice: Slice.Slice
  /** As Supervisor has it; what it comes to is written down. */
  supervise(spec: PlayerSpec.PlayerSpec): Effect.Effect<Supervisor.Outcome, Supervisor.SuperviseError>
  /** Writes down that nothing plays, and why. */
  rests(spec: PlayerSpec.PlayerSpec, said: string): Effect.Effect<void>
}

/** Has the player's name until the scope closes; its file stays, and tells how it ended. SliceTaken while another has it. */
export const begin = ({ logs, manager, name, on }: Options) =>
  Effect.gen(function* () {
    const slice = yield* Slice.make({ name, manager })
    const log = logs ? yield* LogFile.open(logOf(manager, name), mostLogBytes) : undefined
    let restarts = 0
    let said: string | undefined
    const note = (spec: PlayerSpec.PlayerSpec, phase: Players.Phase) =>
      Effect.gen(function* () {
        yield* Players.store(manager, {
          version: 1,
          name,
          manager: manager.name,
          spec,
          phase,
          sinceMs: yield* Clock.currentTimeMillis,
          restarts,
          ...(said === undefined ? {} : { said }),
          ...(log === undefined ? {} : { log: logOf(manager, name) })
        })
        // What a full disk does to the file it does not do to the player.
      }).pipe(Effect.ignore)
    const write = (line: string) => (log === undefined ? Effect.void : log.write(Buffer.from(`${line}\n`)))

    return {
      slice,
      supervise: (spec) =>
        Effect.andThen(
          // Who is killed as it starts leaves something that `list` can name.
          note(spec, "starting"),
          Supervisor.superviseIn(
            slice,
            PlayerSpec.playerOf(spec, (bytes, from) =>
              log === undefined ? Effect.ignore(Descriptor.write(from === "stdout" ? 1 : 2, bytes)) : log.write(bytes)
            ),
            (event) =>
              Effect.gen(function* () {
                if (event._tag === "Restarting") {
                  restarts++
                  said = event.reason
                }
                const phase = phases[event._tag]
                if (phase !== undefined) yield* note(spec, phase)
                yield* write(lineOf(event))
                yield* on(event)
              })
          ).pipe(
            Effect.tap((outcome) => {
              if (outcome._tag === "Stopped") return Effect.void
              said = outcome.reason
              return note(spec, "ended")
            }),
            Effect.tapError((error) => {
              said = error.message
              return Effect.andThen(write(paragraph(error)), note(spec, "failed"))
            })
          )
        ),
      rests: (spec, why) => {
        said = why
        return note(spec, "ended")
      }
    } satisfies Supervising
  })

/** What a player has come to by an event. */
const phases: Partial<Record<Supervisor.Event["_tag"], Players.Phase>> = {
  Started: "starting",
  Ready: "playing",
  Restarting: "waiting"
}

/** The exit code that stands for how it ended. */
export const codeOf = (outcome: Supervisor.Outcome): number =>
  outcome._tag === "Stopped"
    ? 0
    : Option.match(outcome.exit, { onNone: () => exitCodes.failed, onSome: Child.exitCode })

/** Tells the person who looks on. */
export const say = (event: Supervisor.Event): Effect.Effect<void> => Say.note(lineOf(event))

/** An event as a line of a log. */
export const lineOf = (event: Supervisor.Event): string => {
  switch (event._tag) {
    case "Started":
      return `redd: started, process ${event.pid}`
    case "Ready":
      return "redd: ready"
    case "Status":
      return `redd: it says: ${event.text}`
    case "Exited":
      return `redd: it ${event.reason}`
    case "NotReady":
      return `redd: it was not ready within ${event.afterMs / 1000} s`
    case "Unresponsive":
      return `redd: it is not well: ${event.reason}`
    case "NotStarted":
      return `redd: it could not be started: ${event.reason}`
    case "Restarting":
      return `redd: it is started again in ${event.inMs / 1000} s`
    case "GaveUp":
      return "redd: it is not started any more"
    case "Unenforced":
      return `note: not limited, since this host has no controller for it: ${event.controllers.join(", ")}`
    case "Inhibited":
      return `redd: held up: ${event.what.join(", ")}`
    case "NotInhibited":
      return `note: nothing is held up: ${event.reason}`
  }
}
