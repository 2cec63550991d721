/** The full command line, for tests that compare the quick ones with it. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"

/** Parses words in an environment; what is wrong with them is said to nobody. */
export const runInFull = <Name extends string, Input, Context, E>(
  cli: Command.Command<Name, Input, Context, E, never>,
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>
): Promise<void> =>
  Command.runWith(cli, { version: "0" })(args).pipe(
    Effect.ignore,
    Effect.provide(
      Layer.mergeAll(
        NodeServices.layer,
        CliOutput.layerPresenter({ present: () => Effect.void }),
        ConfigProvider.layer(ConfigProvider.fromEnv({ env: environment }))
      )
    ),
    Effect.runPromise
  )
