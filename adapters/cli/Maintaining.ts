/** What reads definitions and plays playbooks, loaded by the commands that do. */
import * as Effect from "effect/Effect"

export const maintaining = Effect.promise(() => import("../terminal/Maintaining.ts"))
