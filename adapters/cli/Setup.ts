/** `redd setup`: a place for images and machines on a host whose file system cannot clone cheaply. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Files, Host, Pool, Quantity, Timers, Units } from "../../src/index.ts"
import { Invocation } from "../terminal/Invocation.ts"
import { configuration, redd } from "../terminal/Redd.ts"
import * as Say from "../terminal/Say.ts"

export const setup = Command.make(
  "setup",
  {
    pool: Flag.String("pool").pipe(
      Flag.withDescription("Make a btrfs file of this size and mount it at the state folder; a larger size grows it"),
      Flag.filterMap(Quantity.size, (text) => `"${text}" is not a size; write for example --pool 20G`),
      Flag.optional
    ),
    systemd: Flag.Boolean("systemd").pipe(
      Flag.withDescription(
        "Install units that run redd gc every 15 minutes and after a boot, and redd apply every night"
      ),
      Flag.withDefault(false)
    ),
    path: Flag.String("path").pipe(
      Flag.withDescription("The file (the state folder's name with .btrfs)"),
      Flag.optional
    ),
    remove: Flag.Boolean("remove").pipe(
      Flag.withDescription("Undo it: the units; without --systemd also the pool, with all that is in it"),
      Flag.withDefault(false)
    )
  },
  (flags) =>
    Effect.gen(function* () {
      const { root } = yield* configuration
      const { systemd } = yield* Host.read
      const { program } = yield* Invocation
      // Definitions are the configuration's: another state folder, named for this once, is not theirs to fill.
      const isOther = Option.isSome((yield* redd).root)
      const maintenance = isOther && !flags.remove ? [] : Timers.maintenanceUnits(program, root)
      const units = [...Timers.gcUnits(program, root), ...maintenance]
      if (flags.systemd && !systemd) {
        return yield* new Pool.PoolRefused({
          reason: "PID 1 of this host is not systemd, which would run the units",
          remedy: "have cron or the like run redd gc"
        })
      }
      if (flags.remove) {
        if (systemd) {
          const outcome = yield* Units.uninstall(units.map(({ name }) => name))
          if (outcome === "removed") yield* Say.note(`redd: the timers for redd gc and redd apply are removed`)
          else if (flags.systemd) yield* Say.note(`redd: there are no timers for redd gc and redd apply`)
        }
        if (flags.systemd) return
        const machines = (yield* Files.list(`${root}/records`)).filter((name) => name.endsWith(".json")).length
        if (machines > 0) {
          return yield* new Pool.PoolRefused({
            reason: `There are ${machines} machines in ${root}`,
            remedy: "end them with redd cleanup, or redd gc"
          })
        }
        const outcome = yield* Pool.remove(root, systemd)
        return yield* Say.note(
          outcome === "removed" ? `redd: the pool of ${root} is removed` : `redd: ${root} has no pool`
        )
      }
      if (flags.systemd) {
        const outcome = yield* Units.install(units)
        yield* Say.note(
          `redd: ${new Intl.ListFormat("en").format(units.map(({ name }) => name))} ${outcome === "installed" ? "are installed" : "are installed already"}`
        )
        if (Option.isNone(flags.pool)) return
      }
      if (Option.isNone(flags.pool)) {
        return yield* new Pool.PoolRefused({
          reason: "Nothing to set up was named",
          remedy: "redd setup --pool 20G, redd setup --systemd, or redd setup --remove"
        })
      }
      const known = yield* Pool.find(root)
      const file = Option.getOrElse(flags.path, () =>
        Option.match(known, { onNone: () => `${root}.btrfs`, onSome: (pool) => pool.file })
      )
      const outcome = yield* Pool.setUp({ folder: root, file, sizeBytes: flags.pool.value }, systemd)
      const size = Quantity.formatSize(flags.pool.value)
      yield* Say.note(
        outcome === "made"
          ? `redd: a pool of ${size} is mounted at ${root}: ${file}`
          : outcome === "grown"
            ? `redd: the pool of ${root} has ${size} now`
            : `redd: the pool of ${root} is there already`
      )
    })
).pipe(
  Command.withDescription("Give this host a file system for machines, and a timer that takes dead ones away"),
  Command.withExamples([
    { command: "redd setup --pool 20G", description: "A btrfs file, mounted at the state folder" },
    { command: "redd setup --systemd", description: "redd gc from a timer" },
    { command: "redd setup --remove", description: "Undo it" }
  ])
)
