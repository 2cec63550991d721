/** What holds where no configuration says otherwise, for those who must not load what reads one. */
import * as Duration from "effect/Duration"

export const file = "/etc/redd/config.yaml"
export const root = "/var/lib/redd"
export const grace = Duration.seconds(10)
