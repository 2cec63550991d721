/** A machine in a scope: made, used, and gone again, however this ends. Run as root: `node examples/job.ts trixie`. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Exec, Machine, MachineRecord } from "redd"

const job = Effect.gen(function* () {
  const id = MachineRecord.MachineId.make(`example-${process.pid}`)
  const machine = yield* Machine.make({ id, image: process.argv[2] ?? "trixie" })
  yield* Console.log(`ready: ${machine.key}`)
  const words = ["sh", "-c", process.argv[3] ?? "echo hello from $(cat /proc/sys/kernel/hostname)"]
  const { exit, stdout } = yield* Exec.collect(machine, { _tag: "Words", words }, { mostBytes: 65_536 })
  yield* Console.log(`${stdout}ended with ${Exec.exitCode(exit)}`)
})

const fiber = Effect.runFork(
  Effect.scoped(job).pipe(Effect.provide(Machine.layer(process.env["REDD_ROOT"] ?? "/var/lib/redd")))
)
process.on("SIGTERM", () => fiber.interruptUnsafe())
