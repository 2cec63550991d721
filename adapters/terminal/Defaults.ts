/** What holds where no configuration says otherwise, for those who must not load what reads one. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { Configuration } from "./Configuration.ts"

export const file = "/etc/redd/config.yaml"

export const configuration: Configuration = {
  root: "/var/lib/redd",
  definitions: "/etc/redd/images",
  defaultImage: Option.none(),
  backend: "auto",
  engine: "auto",
  isolation: "users",
  limits: { tasks: 16_384 },
  reserveBytes: undefined,
  boots: undefined,
  grace: Duration.seconds(10),
  gitlab: {
    images: {},
    allowed: ["*"],
    keep: "never",
    keepFor: Duration.hours(1),
    network: "host",
    shell: undefined,
    buildsDir: "/builds",
    cacheDir: "/cache",
    most: {}
  }
}
