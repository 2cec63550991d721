/**
 * What is below a folder, as a stream: a listing at the start, and one whenever that has changed and come to rest.
 *
 * The truth is a look at all of it (Scan). What inotify tells makes the next look come soon; a slow poll finds what it does
 * not tell. Nothing is looked at while nobody asks for the next event, so who is slow gets what is there then.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ControlFile from "./ControlFile.ts"
import * as Files from "./Files.ts"
import * as Hints from "./Hints.ts"
import * as Scan from "./Scan.ts"
import * as Settle from "./Settle.ts"
import * as Text from "./Text.ts"

export type { File, Skipped } from "./Scan.ts"

export interface Options {
  /** How long nothing may change until it is said (default 1 s). */
  readonly settle?: Duration.Duration | undefined
  /** How often it is looked at where nothing tells of a change (default 5 s); less often where a look takes long. */
  readonly poll?: Duration.Duration | undefined
  /** How long the rest waits for what never rests, as a file that is uploaded for an hour (default 30 s). */
  readonly patience?: Duration.Duration | undefined
  /** False: polls alone. */
  readonly inotify?: boolean | undefined
  readonly bounds?: Scan.Bounds | undefined
  /** A file that is kept there; its removal is told by the next listing. It is not listed. */
  readonly control?: ControlFile.Control | undefined
}

/** What is below the folder and has come to rest. */
export interface Listing {
  readonly _tag: "Listing"
  readonly folder: string
  /** Why there is no such folder, or none that can be read; undefined: it is there. */
  readonly missing: string | undefined
  /** By name. */
  readonly files: ReadonlyArray<Scan.File>
  /** The first of what was left out, and how many there were. */
  readonly skipped: ReadonlyArray<Scan.Skipped>
  readonly skippedCount: number
  /** Somebody removed the control file since the last listing: nothing else may have changed. */
  readonly isAsked: boolean
}

export type Event =
  | Listing
  /** From now on polls alone find some of the changes, or all of them. Said once for each reason. */
  | { readonly _tag: "Polling"; readonly why: string }
  /** The control file cannot be made. Said once for each reason. */
  | { readonly _tag: "NoControl"; readonly name: string; readonly why: string }

/** Watches a folder, which need not be there. Nothing fails: what cannot be read is missing. */
export const folder = (path: string, options: Options = {}): Stream.Stream<Event> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const hints = options.inotify === false ? Hints.none : yield* Hints.make
      const watch: Watch = { path: Files.absolute(path), options, hints, ...pacesOf(options) }
      return Stream.flattenIterable(Stream.unfold(start, (state) => next(watch, state)))
    })
  )

/** What was left out, and why: a line that is fit for a terminal. */
export const explain = ({ name, why }: Scan.Skipped): string => `"${Text.brief(name)}": ${reasons[why]}`

const reasons: Readonly<Record<Scan.Skipped["why"], string>> = {
  link: "a symbolic link, which is not followed",
  depth: "folders are too deep from here on",
  number: "there are too many files from here on",
  name: "its name is too long, or not UTF-8",
  unreadable: "it cannot be read"
}

interface Watch {
  readonly path: string
  readonly options: Options
  readonly hints: Hints.Hints
  readonly settleMs: number
  readonly pollMs: number
  readonly patienceMs: number
}

const pacesOf = ({ patience, poll, settle }: Options) => ({
  settleMs: Duration.toMillis(settle ?? Duration.seconds(1)),
  pollMs: Duration.toMillis(poll ?? Duration.seconds(5)),
  patienceMs: Duration.toMillis(patience ?? Duration.seconds(30))
})

interface State {
  readonly settling: Settle.Settling<Thing>
  readonly kept: ControlFile.Kept
  /** When the control file was seen to be removed, which was not told yet. */
  readonly askedMs: number | undefined
  /** Reasons that were said. */
  readonly told: ReadonlySet<string>
  /** How the last look left it; undefined before the first one. */
  readonly looked: { readonly endedMs: number; readonly tookMs: number; readonly isUrgent: boolean } | undefined
}

const start: State = {
  settling: Settle.nothing,
  kept: ControlFile.unseen,
  askedMs: undefined,
  told: new Set(),
  looked: undefined
}

/** What settles: each file, whether there is a folder and which, and what was left out. */
type Thing =
  | { readonly _tag: "File"; readonly file: Scan.File }
  | { readonly _tag: "Folder"; readonly identity: string | undefined; readonly missing: string | undefined }
  | { readonly _tag: "Skipped"; readonly skipped: ReadonlyArray<Scan.Skipped>; readonly count: number }

/** Names that no file has. */
const folderName = ""
const skippedName = "/"

/** Looks again and again, until there is something to tell. */
const next = (watch: Watch, before: State): Effect.Effect<readonly [ReadonlyArray<Event>, State]> =>
  Effect.gen(function* () {
    let state = before
    for (;;) {
      yield* pause(watch, state)
      const [events, after] = yield* look(watch, state)
      state = after
      if (events.length > 0) return [events, state] as const
    }
  })

/** Waits until another look is worth it. */
const pause = ({ hints, pollMs, settleMs }: Watch, { looked }: State): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (looked === undefined) return
    // A quarter of the time goes into looking at the most while something changes, and a twentieth while nothing does.
    const paceMs = Math.max(settleMs / 2, 3 * looked.tookMs, leastPaceMs)
    if (!looked.isUrgent) yield* Effect.timeoutOption(hints.next, Math.max(pollMs, 20 * looked.tookMs))
    yield* Effect.sleep(Math.max(0, looked.endedMs + paceMs - (yield* nowMs)))
  })

const leastPaceMs = 10

const look = (watch: Watch, before: State): Effect.Effect<readonly [ReadonlyArray<Event>, State]> =>
  Effect.gen(function* () {
    const { hints, options, path } = watch
    const startedMs = yield* nowMs
    const scan = yield* Scan.scan(path, options.bounds)
    const { isNew, refused } = yield* hints.follow(placesOf(path, scan))
    const control = yield* lookAtControl(watch, before.kept, scan)
    const atMs = yield* nowMs
    const wallMs = yield* Clock.currentTimeMillis
    const { after, says } = Settle.look(
      before.settling,
      thingsOf(scan, options.control),
      atMs,
      ruleOf(watch),
      (thing) => ageOf(thing, wallMs)
    )
    const askedMs = before.askedMs ?? (control.isRemoved ? atMs : undefined)
    // Who asks gets what has settled meanwhile, and does not wait for what never will.
    const isDue = askedMs !== undefined && (after.pendingMs === undefined || atMs - askedMs >= watch.settleMs)
    const isSaid = after.said !== undefined && (says || isDue)
    const told = new Set(before.told)
    const once = (event: Exclude<Event, Listing>): ReadonlyArray<Event> => {
      const key = `${event._tag} ${event.why}`
      if (told.has(key)) return []
      told.add(key)
      return [event]
    }
    const { refused: uncontrolled } = control.after
    const events: ReadonlyArray<Event> = [
      ...(refused === undefined ? [] : once({ _tag: "Polling", why: refused })),
      ...(uncontrolled === undefined || options.control === undefined
        ? []
        : once({ _tag: "NoControl", name: options.control.name, why: uncontrolled })),
      ...(isSaid ? [listingOf(path, after.said, askedMs !== undefined)] : [])
    ]
    const looked = {
      endedMs: atMs,
      tookMs: atMs - startedMs,
      // In a folder that is watched from now on, something may have happened before.
      isUrgent: after.pendingMs !== undefined || isNew
    }
    return [
      events,
      { settling: after, kept: control.after, askedMs: isSaid ? undefined : askedMs, told, looked }
    ] as const
  })

/** Time that no clock's setting changes: boxes without a battery set theirs long after they have begun to play. */
const nowMs = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

const lookAtControl = ({ options, path }: Watch, kept: ControlFile.Kept, { identity }: Scan.Scan) =>
  options.control === undefined || identity === undefined
    ? Effect.succeed({ after: ControlFile.unseen, isRemoved: false })
    : ControlFile.look(path, identity, options.control, kept)

/** Where there is no folder, the one in which it would appear tells when it does. */
const placesOf = (path: string, { folders, missing }: Scan.Scan): ReadonlyMap<string, string> =>
  missing === undefined ? folders : new Map([[Files.absolute(`${path}/..`), "parent"]])

const thingsOf = (scan: Scan.Scan, control: ControlFile.Control | undefined): ReadonlyMap<string, Thing> => {
  const things = new Map<string, Thing>()
  for (const [name, file] of scan.files) if (name !== control?.name) things.set(name, { _tag: "File", file })
  things.set(folderName, { _tag: "Folder", identity: scan.identity, missing: scan.missing })
  things.set(skippedName, { _tag: "Skipped", skipped: scan.skipped, count: scan.skippedCount })
  return things
}

const ruleOf = ({ patienceMs, settleMs }: Watch): Settle.Rule<Thing> => ({ patienceMs, settleMs, isSame })

const isSame = (one: Thing, other: Thing): boolean =>
  one._tag === "File" && other._tag === "File"
    ? Scan.isSame(one.file, other.file)
    : JSON.stringify(one) === JSON.stringify(other)

/** How long a thing has been as it is, at the start. What was written in the future was written now. */
const ageOf = (thing: Thing, wallMs: number): number => {
  if (thing._tag !== "File") return Number.POSITIVE_INFINITY
  const ageMs = wallMs - thing.file.changedMs
  return ageMs < 0 ? 0 : ageMs
}

const listingOf = (folder: string, said: ReadonlyMap<string, Thing>, isAsked: boolean): Listing => {
  const place = said.get(folderName)
  const rest = said.get(skippedName)
  return {
    _tag: "Listing",
    folder,
    missing: place?._tag === "Folder" ? place.missing : undefined,
    files: [...said.values()]
      .flatMap((thing) => (thing._tag === "File" ? [thing.file] : []))
      .sort((one, other) => (one.name < other.name ? -1 : 1)),
    skipped: rest?._tag === "Skipped" ? rest.skipped : [],
    skippedCount: rest?._tag === "Skipped" ? rest.count : 0,
    isAsked
  }
}
