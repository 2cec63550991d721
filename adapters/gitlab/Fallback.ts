/** The image of jobs that name none. */
import * as Option from "effect/Option"
import type { Fallback } from "../executor/Choice.ts"
import type { Configuration } from "../terminal/Configuration.ts"

/** The command line's, else the configuration's. */
export const fallbackOf = (
  flags: { readonly defaultImage: Option.Option<string> },
  settings: Pick<Configuration, "defaultImage">
): Fallback => ({ byDefault: Option.getOrUndefined(Option.orElse(flags.defaultImage, () => settings.defaultImage)) })
