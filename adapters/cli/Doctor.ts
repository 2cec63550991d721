/** `redd doctor`: what is wrong with this host, before a job finds out. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Doctor, Machine, Text } from "../../src/index.ts"
import type { Configuration } from "../terminal/Configuration.ts"
import { Invocation } from "../terminal/Invocation.ts"
import { exitCodes, paragraph } from "../terminal/Paragraph.ts"
import { configuration } from "../terminal/Redd.ts"
import * as Say from "../terminal/Say.ts"
import * as Values from "../terminal/Values.ts"
import * as Flags from "./Flags.ts"

export const doctor = Command.make(
  "doctor",
  {
    json: Flags.json,
    fix: Flag.Boolean("fix").pipe(
      Flag.withDescription(
        "Mend what is safe to mend: raise limits of the kernel, mount cgroup v2, do what redd gc does"
      ),
      Flag.withDefault(false)
    ),
    machines: Values.count("machines", "machines").pipe(
      Flag.withDescription("How many shall run at once (4 for each processor, at least 16)"),
      Flag.optional
    )
  },
  ({ fix, json, machines }) =>
    Effect.gen(function* () {
      const settings = yield* configuration
      const examine = Doctor.examine({
        root: settings.root,
        isolation: settings.isolation,
        backend: settings.backend,
        engine: settings.engine,
        machines: Option.getOrUndefined(machines),
        reserveBytes: settings.reserveBytes
      })
      const before = yield* examine
      if (fix) yield* mend(before, settings)
      const findings = fix ? yield* examine : before
      if (json) {
        yield* Say.result(
          JSON.stringify(findings.map(({ check, message, remedy, status }) => ({ status, check, message, remedy })))
        )
      } else for (const finding of findings) yield* Say.result(lines(finding))
      if (findings.some(({ status }) => status === "failed")) yield* (yield* Invocation).exitWith(exitCodes.failed)
    })
).pipe(
  Command.withDescription(
    "What would keep a machine from starting here; the exit code says whether prepare would work"
  ),
  Command.withExamples([
    { command: "redd doctor --machines 40", description: "Is this host ready for 40 machines at once?" },
    { command: "redd doctor --fix", description: "Mend what can be mended without asking" }
  ])
)

/** A finding, and below it what mends it. */
const lines = ({ check, message, remedy, status }: Doctor.Finding): string =>
  Text.printable(`${status.padEnd(7)}  ${check}: ${message}${remedy === "" ? "" : `\n         mend it: ${remedy}`}`)

const mend = (findings: ReadonlyArray<Doctor.Finding>, settings: Configuration) =>
  Effect.gen(function* () {
    const mended = yield* Doctor.mend(findings)
    for (const { check, message } of mended) yield* Say.note(`redd: ${check}: ${message}`)
    const collect = findings.some((finding) => finding.mend?._tag === "Collect")
    if (collect) {
      const { collected, failed } = yield* Effect.provide(
        Machine.collect({ dryRun: false }),
        Machine.layer(settings.root)
      )
      for (const { id, reason } of collected) yield* Say.note(`redd: machines: released "${id}" (${reason})`)
      for (const error of failed) yield* Say.note(paragraph(error))
    }
    if (mended.length === 0 && !collect) yield* Say.note("redd: there is nothing that --fix can mend")
  })
