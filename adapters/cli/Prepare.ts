/** `redd prepare`: a machine that stays until it is cleaned up. */
import * as Command from "effect/cli/Command"
import * as Flags from "./Flags.ts"
import { prepareMachine } from "./Making.ts"

export const prepareFlags = { id: Flags.id, ...Flags.machine, json: Flags.json }

export const prepare = Command.make("prepare", prepareFlags, (flags) =>
  Flags.withState((settings) => prepareMachine(flags, settings))
).pipe(
  Command.withDescription("Start a machine, and return when it accepts commands"),
  Command.withExamples([
    { command: "redd prepare --id job-1 --image trixie", description: "A machine called job-1" },
    {
      command: "redd prepare --id job-2 --image trixie --memory 4G --cpus 2 --bind-ro /srv/cache",
      description: "With limits and a folder of the host's"
    }
  ])
)
