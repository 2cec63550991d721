/** `redd doctor`: what is wrong with this host, before a job finds out. */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { Doctor } from "../../src/index.ts"
import { Invocation } from "../terminal/Invocation.ts"
import { exitCodes } from "../terminal/Paragraph.ts"
import * as Say from "../terminal/Say.ts"
import * as Flags from "./Flags.ts"

export const doctor = Command.make("doctor", { json: Flags.json }, ({ json }) =>
  Flags.withState((settings) =>
    Effect.gen(function* () {
      const findings = yield* Doctor.examine({ isolation: settings.isolation })
      if (json) yield* Say.result(JSON.stringify(findings))
      else {
        yield* Say.table(
          ["STATUS", "CHECK", "FINDING", "REMEDY"],
          findings.map(({ check, message, remedy, status }) => [status, check, message, remedy])
        )
      }
      if (findings.some(({ status }) => status === "failed")) yield* (yield* Invocation).exitWith(exitCodes.failed)
    })
  )
).pipe(
  Command.withDescription("What would keep a machine from starting here; the exit code says whether prepare would work")
)
