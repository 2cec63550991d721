/**
 * A file that is there so that somebody may remove it: by that they ask for something, from any file manager or share.
 *
 * It is made again whenever it is not there. It is only missed in the folder in which it was: a folder that was mounted
 * over, or replaced, has none yet, and nobody removed it.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"

export interface Control {
  readonly name: string
  /** What it says to who opens it. */
  readonly content: string
}

/** What one look at it tells the next. */
export interface Kept {
  /** The folder in which it was there, or was made, the last time. */
  readonly identity: string | undefined
  /** Why it cannot be made there. */
  readonly refused: string | undefined
}

export const unseen: Kept = { identity: undefined, refused: undefined }

/** Looks whether it is there, makes it where it is not, and says whether somebody removed it since the look before. */
export const look = (
  folder: string,
  identity: string,
  control: Control,
  before: Kept
): Effect.Effect<{ readonly after: Kept; readonly isRemoved: boolean }> =>
  Effect.promise(async () => {
    const path = `${folder}/${control.name}`
    const isThere = await fs.promises.lstat(path).then(
      (stats) => stats.isFile(),
      () => false
    )
    if (isThere) return { after: { identity, refused: undefined }, isRemoved: false }
    const refused = await make(path, control.content)
    return {
      after: { identity: refused === undefined ? identity : undefined, refused },
      isRemoved: before.identity === identity
    }
  })

/** Never through a link, and never into what somebody else put there (O_EXCL). Returns why not. */
const make = (path: string, content: string): Promise<string | undefined> =>
  fs.promises.open(path, "wx", 0o644).then(
    async (handle) => {
      // It is there: on a full disk it says nothing.
      await handle.writeFile(content).catch(() => undefined)
      await handle.close()
      return undefined
    },
    (cause: unknown) => {
      const said = cause instanceof Error ? cause.message : String(cause)
      return /^E[A-Z0-9]+: ([^,]+)/.exec(said)?.[1] ?? said
    }
  )
