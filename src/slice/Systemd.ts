/** Places that a systemd holds: a slice, and a scope for each run, the host's or a user's. */
import * as Effect from "effect/Effect"
import * as Limits from "../host/Limits.ts"
import * as Option from "effect/Option"
import * as Tool from "../host/Tool.ts"
import * as Units from "../host/Units.ts"
import { inCgroups } from "./Cgroups.ts"
import type { Manager } from "./Manager.ts"
import { scopeOf, unitOf } from "./SliceName.ts"

/**
 * A manager upon the systemd that `reach` leads to, whose units have their cgroups below `cgroup`.
 *
 * `systemd-run --scope` has systemd make the scope around itself and then executes the command: our child, with our
 * descriptors, and in its place before it is the command (systemd-run(1)).
 */
export const withSystemd = (
  options: Pick<Manager, "name" | "holds" | "folder" | "lasting"> & {
    readonly reach: Units.Reach
    readonly cgroup: string
    /** The unit of the slice in which those are who have a slice. */
    readonly supervisors: string
  }
): Manager => ({
  name: options.name,
  holds: options.holds,
  folder: options.folder,
  lasting: options.lasting,
  unenforced: (limits) => Limits.unenforced(Option.some(options.cgroup), limits),
  enter: (place, { description, limits }) =>
    Effect.map(Tool.locate("systemd-run"), (systemdRun) => ({
      words: [
        systemdRun,
        ...options.reach.flags,
        "--scope",
        "--quiet",
        "--collect",
        "--no-ask-password",
        `--unit=${scopeOf(place)}`,
        `--slice=${unitOf(place)}`,
        `--description=${description}`,
        ...Limits.properties(limits).map((property) => `--property=${property}`),
        "--"
      ],
      environment: options.reach.environment,
      descriptors: [],
      processOf: Effect.succeed
    })),
  detach: ({ command, description, environment, unit }) =>
    Units.start(
      { unit: `${unit}.service`, slice: options.supervisors, description, properties: [], environment, command },
      options.reach
    ),
  ...inCgroups((place) => {
    const slice = `${options.cgroup}/${unitOf(place)}`
    return place.run === undefined ? slice : `${slice}/${scopeOf(place)}`
  }),
  remove: (place) => Units.stop(place.run === undefined ? unitOf(place) : scopeOf(place), options.reach),
  // A scope goes by itself with its last process (systemd.scope(5)).
  tidy: () => Effect.void
})
