/**
 * A development server that is kept running: ready when its port answers, started again when it crashes, and gone with all
 * that it started when this ends. `node examples/dev-server.ts PORT COMMAND ARG…`; Ctrl-C ends it.
 */
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Managers, Restart, Slice, Supervisor } from "redd"

const [port = "8080", ...words] = process.argv.slice(2)
const [program = "python3", ...args] = words.length > 0 ? words : ["python3", "-m", "http.server", port]
const environment = Object.fromEntries(Object.entries(process.env).map(([name, value]) => [name, value ?? ""]))

const tell = (event: Supervisor.Event): Effect.Effect<void> => {
  switch (event._tag) {
    case "Ready":
      return Console.log(`ready: http://localhost:${port}/`)
    case "Restarting":
      return Console.log(`it ${event.reason}; starting it again in ${event.inMs} ms`)
    default:
      return Effect.void
  }
}

const server = Effect.gen(function* () {
  const { manager, why } = yield* Managers.choose("auto", { runtimeFolder: process.env["XDG_RUNTIME_DIR"] })
  yield* Console.log(`held by ${why}`)
  const player: Supervisor.Player = {
    command: [program, ...args],
    environment,
    ready: { _tag: "Port", port: Number(port) },
    restart: { ...Restart.usual, first: Duration.millis(100) },
    stop: { grace: Duration.seconds(2) },
    output: (bytes, from) => Effect.sync(() => void process[from].write(bytes))
  }
  yield* Supervisor.supervise(yield* Slice.parseName(`dev server on ${port}`), manager, player, tell)
})

const fiber = Effect.runFork(server)
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => fiber.interruptUnsafe())
fiber.addObserver((exit) => {
  if (exit._tag === "Failure") process.exitCode = 1
})
