/** The command `nspawn-runner`. */
import { load } from "./load.ts"

load("nspawn-runner-full.cjs")
