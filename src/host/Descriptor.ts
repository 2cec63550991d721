/** Our own standard streams, written and read so that a slow peer slows us down and never blocks us. */
import * as fs from "node:fs"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as PlatformError from "effect/PlatformError"
import type * as Stream from "effect/Stream"

/**
 * Writes all the bytes to a descriptor of ours, and waits until they are taken.
 *
 * Not process.stdout: on a pipe that blocks the event loop, and a signal would not be seen while the reader sleeps.
 */
export const write = (fd: number, bytes: Uint8Array): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.callback<number, NodeJS.ErrnoException>((resume) => {
    fs.write(fd, bytes, (error, count) => resume(error === null ? Effect.succeed(count) : Effect.fail(error)))
  }).pipe(
    Effect.matchEffect({
      onFailure: (error) =>
        // Somebody who shares the open file description may have made it non-blocking.
        error.code === "EAGAIN" ? Effect.delay(write(fd, bytes), "2 millis") : Effect.fail(failed(fd, "write", error)),
      onSuccess: (count) => (count === bytes.length ? Effect.void : write(fd, bytes.subarray(count)))
    })
  )

/** What comes on our standard input, to its end. */
export const stdin: Stream.Stream<Uint8Array, PlatformError.PlatformError> = NodeStream.fromReadable<
  Uint8Array,
  PlatformError.PlatformError
>({ evaluate: () => process.stdin, onError: (error) => failed(0, "read", error) })

/** True where a descriptor of ours is a terminal. */
export const isTerminal = (fd: 0 | 1 | 2): boolean =>
  [process.stdin, process.stdout, process.stderr][fd]?.isTTY === true

const failed = (fd: number, method: string, cause: unknown): PlatformError.PlatformError =>
  PlatformError.systemError({
    _tag: "BadResource",
    module: "Descriptor",
    method,
    pathOrDescriptor: fd,
    description: String(cause),
    cause
  })
