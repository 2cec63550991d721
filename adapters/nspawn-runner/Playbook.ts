/** The playbooks of nspawn-runner's images: in /etc/nspawn-runner, and beside them. */
import * as Effect from "effect/Effect"
import * as Maintaining from "../terminal/Maintaining.ts"

/** Where playbooks are; the first that has one for an image goes. */
export const places = (folder: string): ReadonlyArray<string> => ["/etc/nspawn-runner", folder]

/** The images that have one. */
export const names = (folder: string) =>
  Effect.map(Effect.forEach(places(folder), Maintaining.names), (all) => all.flat())
