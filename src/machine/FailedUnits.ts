/**
 * Units of a machine that have failed by the time it is ready: it is used all the same, and a person may want to know.
 *
 * What fails, fails in each machine of a generation, so the first one is asked, and its answer remembered until the host
 * reboots: the question goes to a systemd that is still busy with its boot, and would cost each machine some 40 ms.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Digest from "../host/Digest.ts"
import * as Files from "../host/Files.ts"
import type { MachineRecord } from "../record/MachineRecord.ts"
import * as Exec from "./Exec.ts"

/** Names of units; none where there is no init. */
export const find = (record: MachineRecord): Effect.Effect<ReadonlyArray<string>, Exec.ExecError> =>
  Effect.gen(function* () {
    if (record.boot === "none") return []
    const answer = answerOf(record)
    const [bootId, ...known] = Option.getOrElse(yield* Files.readText(answer), () => "").split("\n")
    if (bootId === record.bootId) return known
    const found = yield* ask(record)
    if (Option.isNone(found)) return []
    // The machine is there: a disk too full to remember this by is no reason to say that it is not.
    yield* Effect.ignore(Files.replace(answer, [record.bootId, ...found.value].join("\n")))
    return found.value
  })

const answerOf = ({ boot, engine, generation, root }: MachineRecord) =>
  `${root}/cache/units-${Digest.hex(generation, boot, engine).slice(0, 16)}`

/** None where there was no answer, in time or at all: that is not to be remembered as no failure. */
const ask = (record: MachineRecord) =>
  Effect.map(
    Exec.collect(
      record,
      {
        _tag: "Words",
        words: ["systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--no-pager"]
      },
      { timeout: Duration.seconds(5), mostBytes: 65_536 }
    ),
    ({ exit, stdout }) =>
      Exec.exitCode(exit) === 0
        ? Option.some(stdout.split("\n").flatMap((line) => /^[\w@:.\\-]+(?= )/.exec(line)?.[0] ?? []))
        : Option.none()
  )
