/**
 * A command as a slice runs it: where its program is, and the words that start it in its place.
 *
 * What starts it says on its report that it is there, before it becomes the command: until then all that goes wrong is
 * ours, and from then on the command's.
 */
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Files from "../host/Files.ts"
import * as Tool from "../host/Tool.ts"
import { type Entrance, firstDescriptor } from "./Manager.ts"

/** There is no program of that name. */
export class CommandNotFound extends Schema.TaggedError<CommandNotFound>()("CommandNotFound", {
  command: Schema.String,
  path: Schema.String
}) {
  override get message(): string {
    return `There is no command ${this.command}.`
  }
  get hint(): string {
    return this.command.includes("/") ? "look at its path" : `it was looked for in ${this.path}; name it by its path`
  }
}

/** A program is there and cannot be executed. */
export class CommandNotExecutable extends Schema.TaggedError<CommandNotExecutable>()("CommandNotExecutable", {
  command: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `The command ${this.command} cannot be executed: ${this.reason}.`
  }
  get hint(): string {
    return `look at it: ls -l ${this.command}; head -1 ${this.command}`
  }
}

/** A user who is to run a command does not exist. */
export class UserUnknown extends Schema.TaggedError<UserUnknown>()("UserUnknown", { user: Schema.String }) {
  override get message(): string {
    return `There is no user ${this.user} on this host.`
  }
  get hint(): string {
    return "getent passwd lists them"
  }
}

/** A program and its arguments. */
export type Words = readonly [string, ...ReadonlyArray<string>]

/** What execve(2) would execute, found before anything is started. */
export const locate = (
  program: string,
  folder: string,
  path: string | undefined
): Effect.Effect<string, CommandNotFound | CommandNotExecutable | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const searched = path ?? Tool.plainEnvironment.PATH
    const candidates = program.includes("/")
      ? [Files.absolute(program, folder)]
      : searched
          .split(":")
          .filter((entry) => entry.startsWith("/"))
          .map((entry) => `${entry}/${program}`)
    let present: string | undefined
    for (const candidate of candidates) {
      if (yield* Files.isExecutable(candidate)) {
        const missing = yield* missingInterpreter(candidate)
        if (missing === undefined) return candidate
        return yield* new CommandNotExecutable({
          command: candidate,
          reason: `its interpreter ${missing} is not there`
        })
      }
      // A folder of the PATH that is closed to us is passed by (execvp(3)).
      if (yield* Effect.orElseSucceed(Files.exists(candidate), () => false)) present ??= candidate
    }
    if (present === undefined || program === "") return yield* new CommandNotFound({ command: program, path: searched })
    return yield* new CommandNotExecutable({
      command: present,
      reason: "it is no file that may be executed"
    })
  })

/** A user's entry in the user database (getent(1)). */
export interface User {
  readonly name: string
  readonly uid: string
  readonly gid: string
  readonly home: string
  readonly shell: string
}

/** The user of this name or number. */
export const findUser = (user: string): Effect.Effect<User, UserUnknown | Tool.ToolError> =>
  Tool.run("getent", ["passwd", "--", user]).pipe(
    // 2: no such key (getent(1), EXIT STATUS).
    Effect.catchIf(
      (error) => error._tag === "ToolFailed" && error.code === 2,
      () => Effect.fail(new UserUnknown({ user }))
    ),
    Effect.map((line) => {
      const [name = "", , uid = "", gid = "", , home = "/", shell = "/bin/sh"] = line.trimEnd().split(":")
      return { name, uid, gid, home, shell }
    })
  )

export interface Start {
  readonly entrance: Entrance
  readonly folder: string
  readonly program: string
  readonly args: ReadonlyArray<string>
  /** All that the command shall have. */
  readonly environment: Readonly<Record<string, string>>
  readonly user: User | undefined
}

/** The last line of the report of a command that is about to be executed. */
export const begun = "redd: begun"
/** What the report says of a program that the user may not execute. */
export const notExecutable = "redd: not executable"

/** The words that start a command, and the environment they need. Nothing of the command's environment is in the words. */
export const compose = ({
  args,
  entrance,
  environment,
  folder,
  program,
  user
}: Start): { readonly words: Words; readonly environment: Readonly<Record<string, string>> } => {
  const wanted: Readonly<Record<string, string>> =
    user === undefined
      ? environment
      : { ...environment, HOME: user.home, USER: user.name, LOGNAME: user.name, SHELL: user.shell }
  // What the entrance put over the command's own is put back, or taken out.
  const restored = Object.keys(entrance.environment).flatMap((name) => {
    const value = wanted[name]
    if (value === undefined) return ["-u", name]
    return value === entrance.environment[name] ? [] : [`${name}=${value}`]
  })
  const [first = "/bin/sh", ...rest] = [
    ...entrance.words,
    ...(user === undefined ? [] : [setpriv, `--reuid=${user.uid}`, `--regid=${user.gid}`, "--init-groups", "--"]),
    "/bin/sh",
    "-c",
    become,
    "redd",
    folder,
    program,
    ...(restored.length === 0 ? [] : ["/usr/bin/env", ...restored]),
    program,
    ...args
  ]
  return { words: [first, ...rest], environment: { ...wanted, ...entrance.environment } }
}

/**
 * The last step, in the place and as the user: descriptor 2 is the report, 3 the slice's lock, 4 the command's standard
 * error, and from there on what the entrance needed.
 */
const become = `cd -- "$1" || exit
[ -x "$2" ] || { echo "${notExecutable}" >&2; exit 126; }
shift 2
echo "${begun}" >&2
exec "$@" 2>&4 3>&- 4>&- ${[0, 1, 2].map((index) => `${firstDescriptor + index}>&-`).join(" ")}`

const setpriv = "/usr/bin/setpriv"

/** The program that a script's first line names, where there is none. */
const missingInterpreter = (path: string): Effect.Effect<string | undefined, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const start = yield* Effect.orElseSucceed(Files.readStart(path, 256), () => "")
    const interpreter = /^#![ \t]*(\S+)/.exec(start)?.[1]
    if (interpreter === undefined || (yield* Files.isExecutable(interpreter))) return undefined
    return interpreter
  })
