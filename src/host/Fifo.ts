/**
 * FIFOs (fifo(7)) whose other end is not ours and may be hostile.
 *
 * A FIFO, unlike the socket pair that Node makes for a child, can be opened again by name, so that `echo x >/dev/stderr`
 * works for any user inside. Every open here is non-blocking; reading and writing wait on poll, with back-pressure.
 */
import * as fs from "node:fs"
import { constants } from "node:fs"
import { Socket } from "node:net"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Files from "./Files.ts"
import * as Tool from "./Tool.ts"

/**
 * Makes FIFOs that all may open. Node has no mkfifo(3); one mkfifo(1) makes them all. With the umask and not with its
 * --mode, which it sets afterwards: somebody else may take a FIFO as soon as it is there.
 */
export const make = (paths: ReadonlyArray<string>): Effect.Effect<void, Tool.ToolError> =>
  Effect.asVoid(Tool.run("/bin/sh", ["-c", 'umask 0 && exec mkfifo -- "$@"', "mkfifo", ...paths]))

/** The read end. */
export interface Reader {
  /**
   * The next bytes that were written. None at the end: once every writer has closed, or once `until` is done and nothing
   * is left in the FIFO. What was written before `until` was done is never lost; what comes after may be.
   */
  next(until: Effect.Effect<void>): Effect.Effect<Option.Option<Uint8Array>, PlatformError.PlatformError>
  /** Closes it early: who writes gets EPIPE. */
  readonly close: Effect.Effect<void>
}

/** Opens the read end; it need not have a writer yet. Closed with the scope. */
export const openReader = (path: string): Effect.Effect<Reader, PlatformError.PlatformError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.map(openDescriptor(path, constants.O_RDONLY), (fd) => {
      // Socket hands highWaterMark on to stream.Duplex, and its types do not say so.
      const options = { fd, readable: true, writable: false, highWaterMark: readAheadBytes }
      const socket = new Socket(options)
      // An error is an end here: it is seen by `ended`, and a listener must be there so that it is not thrown.
      socket.on("error", () => undefined)
      let left: Array<Uint8Array> | undefined
      const ended = () => socket.readableEnded || socket.destroyed
      const drained = (): Option.Option<Uint8Array> => {
        left ??= drain(socket, fd)
        return Option.fromUndefinedOr(left.shift())
      }
      const available = Effect.callback<Option.Option<Uint8Array>>((resume) => {
        const look = () => {
          const bytes: Uint8Array | null = socket.read()
          if (bytes === null && !ended()) return
          stop()
          resume(Effect.succeed(Option.fromNullOr(bytes)))
        }
        const stop = () => {
          for (const event of ["readable", "end", "close"]) socket.off(event, look)
        }
        for (const event of ["readable", "end", "close"]) socket.on(event, look)
        look()
        return Effect.sync(stop)
      })
      return {
        next: (until: Effect.Effect<void>) =>
          left === undefined ? Effect.raceFirst(available, Effect.map(until, drained)) : Effect.sync(drained),
        close: Effect.sync(() => {
          socket.destroy()
        })
      }
    }),
    (reader) => reader.close
  )

/** The write end. */
export interface Writer {
  /** Waits until the FIFO took the bytes. */
  write(bytes: Uint8Array): Effect.Effect<void>
  /** The reader sees the end once all writers are closed. */
  readonly close: Effect.Effect<void>
}

/** Opens a write end that also counts as a reader, so that writing waits for the true reader and never meets ENXIO or EPIPE. */
export const openWriter = (path: string): Effect.Effect<Writer, PlatformError.PlatformError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.map(openDescriptor(path, constants.O_RDWR), (fd) => {
      const socket = new Socket({ fd, readable: false, writable: true })
      socket.on("error", () => undefined)
      return {
        write: (bytes: Uint8Array) =>
          Effect.callback<void>((resume) => {
            socket.write(bytes, () => resume(Effect.void))
          }),
        close: Effect.sync(() => {
          socket.destroy()
        })
      }
    }),
    (writer) => writer.close
  )

/**
 * Opens a write end that says one line and then only keeps the FIFO from its end, until it is closed. Closed twice, or
 * with the scope, it is closed once.
 */
export const hold = (
  path: string,
  line: string
): Effect.Effect<Pick<Writer, "close">, PlatformError.PlatformError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.flatMap(openDescriptor(path, constants.O_RDWR), (fd) => {
      let isOpen = true
      const close = Effect.sync(() => {
        if (isOpen) fs.closeSync(fd)
        isOpen = false
      })
      return Files.attempt("write", path, () => fs.writeSync(fd, line)).pipe(
        Effect.as({ close }),
        Effect.onError(() => close)
      )
    }),
    ({ close }) => close
  )

/** Writes a line at once if the FIFO has a reader; false where it has none (ENXIO, EPIPE) or where it is full. */
export const tell = (path: string, line: string): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Files.attempt("write", path, () => {
    const fd = fs.openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
    try {
      if (line !== "") fs.writeSync(fd, line)
    } finally {
      fs.closeSync(fd)
    }
    return true
  }).pipe(
    Effect.catchIf(
      // BadResource: the reader went between the opening and the writing (EPIPE).
      (error) => ["WouldBlock", "BadResource"].includes(error.reason._tag) || Files.isAbsent(error),
      () => Effect.succeed(false)
    )
  )

/** True where the FIFO has a reader. */
export const hasReader = (path: string): Effect.Effect<boolean, PlatformError.PlatformError> => tell(path, "")

/** How far reading goes on while what was read is being written. */
const readAheadBytes = 2 ** 20

/** More than a FIFO can hold (fcntl(2), /proc/sys/fs/pipe-max-size): who writes on and on cannot keep us reading. */
const mostLeftBytes = 2 ** 20

/** All that is in the FIFO now. One synchronous stretch, so that the event loop cannot take bytes in between. */
const drain = (socket: Socket, fd: number): Array<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for (let buffered: Uint8Array | null = socket.read(); buffered !== null; buffered = socket.read())
    chunks.push(buffered)
  let sizeBytes = 0
  while (!socket.destroyed && sizeBytes < mostLeftBytes) {
    const chunk = Buffer.alloc(65_536)
    const count = readOrNothing(fd, chunk)
    if (count === 0) break
    sizeBytes += count
    chunks.push(chunk.subarray(0, count))
  }
  socket.destroy()
  return chunks
}

const readOrNothing = (fd: number, chunk: Buffer): number => {
  try {
    return fs.readSync(fd, chunk)
  } catch {
    // EAGAIN: empty, and a writer is there.
    return 0
  }
}

/** A descriptor that its Socket closes, which is why no FileHandle may own it. */
const openDescriptor = (path: string, mode: number): Effect.Effect<number, PlatformError.PlatformError> =>
  Files.openDescriptor(path, mode | constants.O_NONBLOCK | constants.O_NOFOLLOW)
