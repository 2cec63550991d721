/** The command above all others, which holds the flags that each of them has. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Settings from "./Settings.ts"

const shared = {
  root: Flag.String("root").pipe(
    Flag.withDescription("The state folder (REDD_ROOT; else the configuration's; else /var/lib/redd)"),
    Flag.withFallbackConfig(Config.String("REDD_ROOT")),
    Flag.optional
  ),
  config: Flag.String("config").pipe(
    Flag.withDescription("The configuration file (REDD_CONFIG; else /etc/redd/config.yaml)"),
    Flag.withFallbackConfig(Config.String("REDD_CONFIG")),
    Flag.optional
  )
}

export const redd = Command.make("redd").pipe(
  Command.withDescription(
    "Gives every CI job, test or script a fresh systemd-nspawn machine, and takes it away again."
  ),
  Command.withSharedFlags(shared)
)

/** The configuration, the command line's `--root` put over it. */
export const configuration = Effect.gen(function* () {
  const flags = yield* redd
  const loaded = yield* Settings.load(flags.config)
  return { ...loaded, root: Option.getOrElse(flags.root, () => loaded.root) }
})
