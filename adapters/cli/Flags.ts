/** The flags that several commands share, and the state folder that they all work on. */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Machine, MachineRecord } from "../../src/index.ts"
import type { Configuration } from "../terminal/Configuration.ts"
import { configuration } from "../terminal/Redd.ts"
import { cpus, duration, environment, size, tasks } from "../terminal/Values.ts"

/** Runs with the machines and images of the state folder. */
export const withState = <A, E, R>(use: (configuration: Configuration) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(configuration, (loaded) => Effect.provide(use(loaded), Machine.layer(loaded.root)))

export const id = Flag.String("id").pipe(
  Flag.withDescription("What the machine is called: any text of 1 to 200 bytes (REDD_ID)"),
  Flag.withFallbackConfig(Config.String("REDD_ID")),
  Flag.filterMap(Schema.decodeUnknownOption(MachineRecord.MachineId), () => "an id is a text of 1 to 200 bytes")
)

export { duration, environment, json } from "../terminal/Values.ts"

export const diff = Flag.Boolean("diff").pipe(
  Flag.withDescription("Show what playbooks change in files"),
  Flag.withDefault(false)
)

export const playbookTimeout = duration("timeout").pipe(
  Flag.withDescription("How long a playbook may take (2h)"),
  Flag.withDefault(Duration.hours(2))
)

const bind = (name: string, writable: boolean) =>
  Flag.String(name).pipe(
    Flag.withDescription(
      `A folder or file of the host that the machine sees${writable ? " and may write to" : ", read-only"}`
    ),
    Flag.withMetavar("SOURCE[:TARGET]"),
    Flag.map((text): MachineRecord.Bind => {
      const [source = "", target = source] = text.split(":")
      return { source, target, writable }
    }),
    Flag.atLeast(0)
  )

/** What a machine shall be: flags of `prepare` and `once`. */
export const machine = {
  image: Flag.String("image").pipe(
    Flag.withDescription("The image that it starts from (REDD_IMAGE; else the configuration's default-image)"),
    Flag.withFallbackConfig(Config.String("REDD_IMAGE")),
    Flag.optional
  ),
  backend: Flag.Literals("backend", ["auto", "btrfs", "overlay", "reflink", "copy", "tmpfs"]).pipe(
    Flag.withDescription("How its root is made from the image"),
    Flag.optional
  ),
  engine: Flag.Literals("engine", ["auto", "managed", "standalone"]).pipe(
    Flag.withDescription("Who holds its processes"),
    Flag.optional
  ),
  isolation: Flag.Literals("isolation", ["users", "none"]).pipe(
    Flag.withDescription("users: root inside is nobody on the host"),
    Flag.optional
  ),
  boot: Flag.Literals("boot", ["auto", "init", "full", "none"]).pipe(
    Flag.withDescription("init: with systemd; full: nothing of it masked; none: without"),
    Flag.withDefault("auto")
  ),
  bootTimeout: duration("boot-timeout").pipe(
    Flag.withDescription("How long it may take until it accepts commands (90s)"),
    Flag.optional
  ),
  network: Flag.Literals("network", ["host", "none"]).pipe(
    Flag.withDescription("host: the host's network; none: a loopback alone"),
    Flag.withDefault("host")
  ),
  memory: size("memory").pipe(Flag.withDescription("Most memory, as 512M or 4G"), Flag.optional),
  cpus: cpus.pipe(Flag.withDescription("Most processors, as 2 or 0.5"), Flag.optional),
  tasks: tasks.pipe(Flag.withDescription("Most processes and threads"), Flag.optional),
  tmpSize: size("tmp-size").pipe(
    Flag.withDescription("/tmp in RAM, of this size; else it is on the machine's root"),
    Flag.optional
  ),
  bind: bind("bind", true),
  bindReadOnly: bind("bind-ro", false),
  env: environment("A variable for every command that runs in it")
}

/** The parsed flags of `machine`. */
export type MachineFlags = Command.Command.Config.Infer<typeof machine>
