import type { State } from "../../adapters/cli/Flags.ts"
export type Planted = State
