/** The settings of a start: the configuration, and what reads one loaded only where there is one. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Files } from "../../src/index.ts"
import * as Defaults from "./Defaults.ts"

/** The configuration in `file`, else in the default one, else the defaults. */
export const load = (file: Option.Option<string>) =>
  Effect.gen(function* () {
    const absent = Option.isNone(file) && !(yield* Files.exists(Defaults.file))
    if (absent) return Defaults.configuration
    const Configuration = yield* Effect.promise(() => import("./Configuration.ts"))
    return yield* Configuration.load(file)
  })
