/** `redd player watch`: whatever is newest in a folder plays, until something newer has come to rest there. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { type Manager, Players, type PlayerSpec, Reel, Signage, type SliceName, Text } from "../../src/index.ts"
import { UsageWrong } from "../terminal/Operands.ts"
import { paragraph } from "../terminal/Paragraph.ts"
import * as Say from "../terminal/Say.ts"
import * as Supervising from "./Supervising.ts"

const wrong = (reason: string) =>
  new UsageWrong({ reason, remedy: "give --signage FILE, or --path DIR -- COMMAND {newest}" })

/** The signage of a file, or of one command for a folder. */
export const signageOf = (
  file: string | undefined,
  path: string | undefined,
  command: ReadonlyArray<string>
): Effect.Effect<Signage.Signage, Signage.SignageInvalid | UsageWrong> =>
  Effect.suspend((): Effect.Effect<Signage.Signage, Signage.SignageInvalid | UsageWrong> => {
    if (file !== undefined)
      return path === undefined && command.length === 0
        ? Signage.read(file)
        : Effect.fail(wrong("The signage file says what is watched and played"))
    if (path === undefined || command.length === 0)
      return Effect.fail(wrong("What is to be watched, or played, is missing"))
    return Result.match(Signage.plain(path, command), {
      onFailure: (reason) => Effect.fail(wrong(`The command cannot be used: ${reason}`)),
      onSuccess: Effect.succeed
    })
  })

/** What a signage file says of how its players live; what is not in it stays. */
export const asSignageSays = (spec: PlayerSpec.PlayerSpec, signage: Signage.Signage): PlayerSpec.PlayerSpec => {
  const { cpus, memoryBytes, tasks } = signage.limits
  return {
    ...spec,
    environment: { ...spec.environment, ...signage.environment },
    restart: signage.restart,
    graceMs: Duration.toMillis(signage.grace),
    inhibit: signage.inhibit,
    limits: {
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      ...(cpus === undefined ? {} : { cpus }),
      ...(tasks === undefined ? {} : { tasks })
    }
  }
}

const betweenTries = Duration.minutes(1)

/** Plays until it is interrupted, or stopped by its name. Nothing that a player does ends it. */
export const watch = (
  manager: Manager.Manager,
  name: SliceName.SliceName,
  signage: Signage.Signage,
  specOf: (command: readonly [string, ...ReadonlyArray<string>]) => PlayerSpec.PlayerSpec
) =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* Effect.addFinalizer(() => Effect.ignore(Players.forget(manager, name)))
      const supervising = yield* Supervising.begin({
        manager,
        name,
        logs: false,
        on: Supervising.say
      })
      const play = (spec: PlayerSpec.PlayerSpec): Effect.Effect<void> =>
        Effect.matchEffect(supervising.supervise(spec), {
          onFailure: (error) =>
            // A screen that stays dark until somebody comes is worse than one more try, now and then.
            Effect.andThen(
              Say.note(paragraph(error)),
              spec.restart === "never"
                ? Effect.void
                : Effect.andThen(
                    Effect.sleep(betweenTries),
                    Effect.suspend(() => play(spec))
                  )
            ),
          onSuccess: () => Effect.void
        })
      let playing: Fiber.Fiber<void> | undefined
      const end = Effect.suspend(() => (playing === undefined ? Effect.void : Fiber.interrupt(playing)))
      const showing = Stream.runForEach(Reel.stream(signage), (event) =>
        Effect.gen(function* () {
          if (event._tag === "Notice") return yield* Say.note(`note: ${event.text}`)
          yield* end
          playing = undefined
          const [program, ...args] = event._tag === "Idle" ? [] : event.command
          if (event._tag === "Idle" || program === undefined) {
            yield* supervising.rests(specOf(["true"]), "has nothing to play")
            return yield* Say.note("redd: there is nothing to play")
          }
          const shown = event.files.slice(0, 3).map(Text.brief).join(", ")
          const more = event.files.length > 3 ? ` and ${event.files.length - 3} more` : ""
          yield* Say.note(`redd: ${event.type}: ${shown === "" ? "the fall-back" : shown}${more}`)
          playing = yield* Effect.forkScoped(play(specOf([program, ...args])))
        })
      )
      yield* Effect.raceFirst(showing, supervising.slice.stopped)
      yield* Say.note(`redd: player "${Text.brief(name)}" was stopped`)
    })
  )
