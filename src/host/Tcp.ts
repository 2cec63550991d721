/** TCP, as far as it is asked who listens. */
import { connect } from "node:net"
import * as Effect from "effect/Effect"

/** True where somebody accepts a connection, which is closed at once. */
export const accepts = (host: string, port: number): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = connect({ host, port })
    socket.on("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.on("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => socket.destroy())
  })
