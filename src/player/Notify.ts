/**
 * What a command says of itself by sd_notify(3): READY=1, WATCHDOG=1, STATUS=…
 *
 * Those are datagrams to a socket of the file system, which Node does not have. systemd-socket-activate(1) has one bound
 * and passed to a shell, which writes each datagram on a line (docs/decisions). Both run in the slice, so that they go
 * with it whoever is killed.
 */
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Duration from "effect/Duration"
import * as Files from "../host/Files.ts"
import * as Owner from "../slice/Owner.ts"
import type { Run } from "../slice/Run.ts"
import type { Slice } from "../slice/Slice.ts"

/** Nobody here can listen to what a command says by sd_notify. */
export class NotifyUnavailable extends Schema.TaggedError<NotifyUnavailable>()("NotifyUnavailable", {
  reason: Schema.String
}) {
  override get message(): string {
    return `What the command says by sd_notify cannot be heard: ${this.reason}`
  }
  get hint(): string {
    return "apt-get install systemd (for systemd-socket-activate), or choose another sign of readiness"
  }
}

export interface Listening {
  /** NOTIFY_SOCKET for the command. */
  readonly path: string
  /** What it says, `NAME=value` each. To be read once. */
  readonly said: Stream.Stream<string, PlatformError.PlatformError>
}

/** Listens until the scope closes. `uid` is the user of who speaks, where it is another one than ours. */
export const listen = (
  slice: Slice,
  uid: number | undefined
): Effect.Effect<Listening, NotifyUnavailable | PlatformError.PlatformError, Scope.Scope> =>
  Effect.gen(function* () {
    const path = Owner.socketOf(slice.manager, slice.key)
    yield* Files.makeFolder(path.slice(0, path.lastIndexOf("/")), 0o711)
    yield* Files.remove(path)
    const words = [
      "systemd-socket-activate",
      "--datagram",
      `--listen=${path}`,
      "--",
      "/bin/sh",
      "-c",
      // dd(1) reads once, and a read of a datagram socket is a datagram (recv(2)).
      "while dd bs=65536 count=1 status=none <&3; do echo; done"
    ] as const
    const run = yield* Effect.acquireRelease(
      Effect.mapError(
        slice.run(words, { stdout: "stream", stderr: "ignore" }),
        (error) => new NotifyUnavailable({ reason: error.message })
      ),
      (run) => Effect.orDie(run.stop({ grace: Duration.zero }))
    )
    yield* awaitSocket(path, run)
    // Who speaks must be let write to it (unix(7)).
    if (uid !== undefined) yield* Files.give(path, uid)
    const lines = run.stdout.pipe(Stream.decodeText(), Stream.splitLines)
    return { path, said: Stream.filter(lines, (line) => /^[A-Z_]{1,40}=/.test(line)) }
  })

const awaitSocket = (path: string, run: Run) =>
  Effect.gen(function* () {
    for (let tries = 0; tries < 1000; tries++) {
      if (yield* Files.exists(path)) return
      yield* Effect.sleep("5 millis")
    }
  }).pipe(
    Effect.raceFirst(
      Effect.flatMap(run.exit, () =>
        Effect.fail(new NotifyUnavailable({ reason: "systemd-socket-activate did not stay." }))
      )
    )
  )
