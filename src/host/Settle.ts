/**
 * When things that change have come to rest (pure).
 *
 * What is said of a thing is how it was found and has stayed for a while. Things are said together, once all of them rest,
 * so that fifty copied files are one change. One that never rests holds the others up for no longer than `patience`; it
 * stays, until it rests, what it was said to be last.
 */

/** How things were found, by name. */
export type Found<A> = ReadonlyMap<string, A>

export interface Settling<A> {
  /** What was said last; undefined before the first time. */
  readonly said: Found<A> | undefined
  readonly last: Found<A>
  /** The names of which something else will have to be said, and since when they are as they are. */
  readonly since: ReadonlyMap<string, number>
  /** Since when there are any. */
  readonly pendingMs: number | undefined
}

export interface Rule<A> {
  readonly settleMs: number
  readonly patienceMs: number
  readonly isSame: (one: A, other: A) => boolean
}

export const nothing: Settling<never> = {
  said: undefined,
  last: new Map<string, never>(),
  since: new Map(),
  pendingMs: undefined
}

/**
 * The state after another look at `atMs`, which must not run backwards, and whether there is something new to say: `said`.
 *
 * `ageMs` is how long a thing has been as it is, for the first look: where all has rested, that is said at once, and where
 * something has not, the rest waits for it no longer than one settling.
 */
export const look = <A>(
  before: Settling<A>,
  found: Found<A>,
  atMs: number,
  { isSame, patienceMs, settleMs }: Rule<A>,
  ageMs: (thing: A) => number
): { readonly after: Settling<A>; readonly says: boolean } => {
  const same = (one: A | undefined, other: A | undefined) =>
    one === undefined || other === undefined ? one === other : isSame(one, other)
  const said: Found<A> = before.said ?? new Map<string, A>()
  const since = new Map<string, number>()
  for (const name of new Set([...found.keys(), ...said.keys()])) {
    const now = found.get(name)
    if (same(now, said.get(name))) continue
    const stays = same(now, before.last.get(name)) ? before.since.get(name) : undefined
    since.set(name, stays ?? (before.said === undefined && now !== undefined ? atMs - ageMs(now) : atMs))
  }
  const rested = [...since].filter(([, sinceMs]) => atMs - sinceMs >= settleMs).map(([name]) => name)
  const pendingMs = since.size === 0 ? undefined : (before.pendingMs ?? atMs)
  const isFirst = before.said === undefined
  const isLong = pendingMs !== undefined && atMs - pendingMs >= (isFirst ? settleMs : patienceMs)
  if (!isLong && rested.length < since.size)
    return { after: { said: before.said, last: found, since, pendingMs }, says: false }

  const next = new Map(said)
  for (const name of rested) {
    const now = found.get(name)
    if (now === undefined) next.delete(name)
    else next.set(name, now)
    since.delete(name)
  }
  return {
    after: { said: next, last: found, since, pendingMs: since.size === 0 ? undefined : atMs },
    says: isFirst || rested.length > 0
  }
}
