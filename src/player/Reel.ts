/**
 * What a signage box shows, as a stream: what to play now, whenever that is something else.
 *
 * What plays goes on while nothing that it shows has changed, whatever else happens in the folder.
 */
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Watch from "../host/Watch.ts"
import * as Media from "./Media.ts"
import type { Signage } from "./Signage.ts"

export type Event =
  /** Stop all of what plays, and start this. */
  | {
      readonly _tag: "Play"
      /** The type of the media, or `fallback`. */
      readonly type: string
      readonly command: ReadonlyArray<string>
      /** The names of the files that it shows, below the folder; as hostile as their author. */
      readonly files: ReadonlyArray<string>
      /** It plays already, and somebody asked for another look. */
      readonly isAgain: boolean
    }
  /** Stop all of what plays: there is nothing to play. */
  | { readonly _tag: "Idle" }
  /** Something that a person should know, in a line that is fit for a terminal. Nothing has to be done about it. */
  | { readonly _tag: "Notice"; readonly text: string }

/** What plays, and what was said. */
export interface Showing {
  /** `nothing` is something that was decided; undefined: nothing was decided yet. */
  readonly now: Media.Choice | "nothing" | undefined
  /** Notices that hold as of the last listing. */
  readonly noticed: ReadonlyArray<string>
}

export const start: Showing = { now: undefined, noticed: [] }

/** Watches the media of a signage box for as long as somebody takes what it has to say. Nothing fails. */
export const stream = (
  signage: Signage,
  options: Pick<Watch.Options, "inotify" | "bounds" | "patience"> = {}
): Stream.Stream<Event> =>
  Watch.folder(signage.path, {
    ...options,
    settle: signage.settle,
    poll: signage.poll,
    control: signage.control === undefined ? undefined : { name: signage.control, content: invitation }
  }).pipe(
    Stream.mapAccum(
      () => start,
      (before, event) => next(signage, before, event)
    )
  )

/** What follows from an event of the watch (pure). */
export const next = (
  signage: Signage,
  before: Showing,
  event: Watch.Event
): readonly [Showing, ReadonlyArray<Event>] => {
  switch (event._tag) {
    case "Polling":
      return [before, [notice(`Changes in ${signage.path} are seen late: ${event.why}.`)]]
    case "NoControl":
      return [before, [notice(`${signage.path}/${event.name} cannot be made: ${event.why}.`)]]
    case "Listing": {
      const { noticed, now } = decide(signage, event)
      const fresh = noticed.filter((text) => !before.noticed.includes(text)).map(notice)
      return [{ now, noticed }, [...fresh, ...changes(before.now, now, event.isAsked)]]
    }
  }
}

/** What there is to play, and what a person should know of the media. */
const decide = (signage: Signage, listing: Watch.Listing): Required<Showing> => {
  const found = Media.choose(signage.players, listing.folder, listing.files)
  const fallback: Showing["now"] =
    signage.fallback === undefined ? "nothing" : { type: "fallback", command: signage.fallback, files: [] }
  return {
    now: Result.getOrElse(found, () => undefined) ?? fallback,
    noticed: [
      ...(listing.missing === undefined ? [] : [`The media in ${listing.folder} are missing: ${listing.missing}.`]),
      ...(Result.isFailure(found) ? [`${found.failure.message} Hint: ${found.failure.hint}.`] : []),
      ...leftOut(listing)
    ]
  }
}

const leftOut = ({ folder, skipped: [first], skippedCount }: Watch.Listing): ReadonlyArray<string> => {
  if (first === undefined) return []
  const more = skippedCount === 1 ? "" : `, and ${skippedCount - 1} more`
  return [`In ${folder}, this is left out: ${Watch.explain(first)}${more}.`]
}

/** What has to be done so that it shows something else. */
const changes = (before: Showing["now"], now: Showing["now"], isAsked: boolean): ReadonlyArray<Event> => {
  if (now === undefined) return []
  if (now === "nothing") return before === now ? [] : [{ _tag: "Idle" }]
  const plays = before !== undefined && before !== "nothing" && Media.isSame(before, now)
  if (plays && !isAsked) return []
  const { command, files, type } = now
  return [{ _tag: "Play", type, command, files: files.map(({ name }) => name), isAgain: plays }]
}

const notice = (text: string): Event => ({ _tag: "Notice", text })

const invitation = "Remove this file when the media here are as they should be: they are looked at, and played, anew.\n"
