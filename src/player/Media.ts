/**
 * Which command plays which files (pure).
 *
 * Media come from people and sticks that nobody checked. A file's name is one whole argument, or a part of one, never text
 * for a shell; paths are absolute, so that a file called `-rf` is no option; and no file is ever the program.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type File, isSame as isSameFile } from "../host/Scan.ts"

/** Types of media, and the extensions that they are known by. What is made to hold macros is not among them. */
export const types: Readonly<Record<string, ReadonlyArray<string>>> = {
  pdf: ["pdf"],
  video: ["mp4", "m4v", "mkv", "webm", "mov", "avi", "mpg", "mpeg", "ts", "m2ts", "ogv", "wmv", "flv", "3gp"],
  images: ["jpg", "jpeg", "png", "gif", "webp", "avif", "bmp", "tif", "tiff"],
  odp: ["odp", "otp", "fodp", "ppt", "pps", "pptx", "ppsx"]
}

/** In the place of an extension: every file has it that no other type has, also one without any. */
export const anyExtension = "*"

/** What plays a type of media. */
export interface Player {
  readonly type: string
  /** In small letters, without the dot; or `*`. */
  readonly extensions: ReadonlyArray<string>
  /**
   * The program and its arguments. `{newest}` is the newest file of the type, `{dir}` the folder, and `{files}`, which
   * stands alone, all files of the type, an argument each.
   */
  readonly command: ReadonlyArray<string>
}

/** What to play. */
export interface Choice {
  readonly type: string
  readonly command: ReadonlyArray<string>
  /** The files that the command shows. Where one of them is replaced, the command has to be started anew. */
  readonly files: ReadonlyArray<File>
}

/** A command has more arguments than the kernel takes. */
export class CommandTooLong extends Schema.TaggedError<CommandTooLong>()("CommandTooLong", {
  type: Schema.String,
  files: Schema.Number,
  bytes: Schema.Number
}) {
  override get message(): string {
    return `The command for ${this.type} is too long: ${this.files} files make ${this.bytes} bytes of arguments, and ${mostBytes} is the most.`
  }
  get hint(): string {
    return "write {dir} instead of {files} where the player reads folders, or keep fewer files there"
  }
}

/**
 * The most that a command may have in all, each word with its NUL and its pointer: half of what Linux gives to arguments
 * and environment together where a stack may have its usual 8 MiB (execve(2)).
 */
export const mostBytes = 1024 * 1024

/** What plays of these files. The newest says which type; undefined: there is nothing that a player is for. */
export const choose = (
  players: ReadonlyArray<Player>,
  folder: string,
  files: ReadonlyArray<File>
): Result.Result<Choice | undefined, CommandTooLong> => {
  const playable = files.flatMap((file) => {
    const player = playerOf(players, file.name)
    return player === undefined ? [] : [{ file, player }]
  })
  const [first, ...others] = playable
  if (first === undefined) return Result.succeed(undefined)
  const newest = others.reduce((one, other) => (isNewer(other.file, one.file) ? other : one), first)
  const { player } = newest
  const all = playable.filter((each) => each.player === player).map(({ file }) => file)
  all.sort(inOrder)
  const command = expand(player.command, folder, newest.file, all)
  const bytes = command.reduce((sum, word) => sum + Buffer.byteLength(word) + 9, 0)
  if (bytes > mostBytes) return Result.fail(new CommandTooLong({ type: player.type, files: all.length, bytes }))
  return Result.succeed({ type: player.type, command, files: showsOne(player.command) ? [newest.file] : all })
}

/** True where two choices look the same on the screen. */
export const isSame = (one: Choice, other: Choice): boolean =>
  isEqual(one.command, other.command, (left, right) => left === right) && isEqual(one.files, other.files, isSameFile)

/** What is wrong with a command as it was written, or undefined. */
export const mistake = (command: ReadonlyArray<string>): string | undefined => {
  const [program = "", ...words] = command
  if (program === "") return 'expected a program and its arguments, as [mpv, --fullscreen, "{newest}"]'
  if (placeholder.test(program)) return "a file may be an argument, and not the program"
  for (const [at, word] of words.entries()) {
    if (word.includes("\0")) return "an argument cannot have a NUL in it"
    const unknown = /^\{[A-Za-z_-]+\}$/.test(word) && !placeholder.test(word)
    if (unknown) return `${word} is none of {newest}, {files}, {dir}`
    if (word.includes("{files}") && word !== "{files}")
      return `{files} becomes many arguments, so it stands alone: write "{files}" as a word of its own in the place of ${JSON.stringify(word)}`
    if (placeholder.test(word) && isScript(command.slice(0, at + 1), word))
      return `a shell would run what is in a file's name. Write [sh, -c, 'exec player "$1"', sh, "{newest}"], with the file as an argument of the script`
  }
  return undefined
}

/** The same for what plays where there is no file. */
export const mistakeOfFallback = (command: ReadonlyArray<string>): string | undefined =>
  command.some((word) => placeholder.test(word))
    ? "there is no file that {newest}, {files} or {dir} could stand for where this plays"
    : mistake(command)

const placeholder = /\{(newest|files|dir)\}/

/** A word that a shell is likely to read as a script: it has blanks in it and is no option, or it follows `sh -c`. */
const isScript = (before: ReadonlyArray<string>, word: string): boolean =>
  /^[^-].*\s/s.test(word) || (/^-[a-z]*c$/.test(before.at(-1) ?? "") && before.some((each) => shells.test(each)))

const shells = /(^|\/)(sh|bash|dash|ash|zsh|ksh|mksh|fish|busybox|su|runuser|script)$/

const playerOf = (players: ReadonlyArray<Player>, name: string): Player | undefined => {
  const extension = /\.([^./]+)$/.exec(name)?.[1]?.toLowerCase()
  const of = (wanted: string | undefined) =>
    wanted === undefined ? undefined : players.find(({ extensions }) => extensions.includes(wanted))
  return of(extension) ?? of(anyExtension)
}

/** The later one; of two at the same time (FAT counts every other second), the one whose name comes later. */
const isNewer = (one: File, other: File): boolean =>
  one.modifiedMs === other.modifiedMs ? inOrder(one, other) > 0 : one.modifiedMs > other.modifiedMs

const collator = new Intl.Collator("en", { numeric: true })

/** As people number slides: 2 before 10. */
const inOrder = (one: File, other: File): number =>
  collator.compare(one.name, other.name) || (one.name < other.name ? -1 : one.name > other.name ? 1 : 0)

const expand = (command: ReadonlyArray<string>, folder: string, newest: File, files: ReadonlyArray<File>) => {
  const pathOf = ({ name }: File) => `${folder}/${name}`
  return command.flatMap((word) =>
    word === "{files}"
      ? files.map(pathOf)
      : // By a function: in a text, `$&` of a file's name would mean something. In one pass, for `{dir}` in a name.
        [word.replaceAll(/\{(newest|dir)\}/g, (_, what) => (what === "dir" ? folder : pathOf(newest)))]
  )
}

const showsOne = (command: ReadonlyArray<string>): boolean =>
  command.some((word) => word.includes("{newest}")) &&
  !command.some((word) => word === "{files}" || word.includes("{dir}"))

const isEqual = <A>(one: ReadonlyArray<A>, other: ReadonlyArray<A>, is: (left: A, right: A) => boolean): boolean =>
  one.length === other.length &&
  one.every((left, at) => {
    const right = other[at]
    return right !== undefined && is(left, right)
  })
