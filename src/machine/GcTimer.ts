/** Units of systemd that run `redd gc` from time to time, and when the host has booted. */
import * as Digest from "../host/Digest.ts"
import type { UnitFile } from "../host/Units.ts"

/** The service and its timer for a state folder. `program` is the command `redd`, an absolute path. */
export const gcUnits = (program: string, root: string): ReadonlyArray<UnitFile> => {
  const name = root === "/var/lib/redd" ? "redd-gc" : `redd-gc-${Digest.hex(root).slice(0, 8)}`
  return [
    {
      name: `${name}.service`,
      content: [
        "[Unit]",
        `Description=Release the machines of ${escape(root)} that died`,
        `RequiresMountsFor=${quote(root)}`,
        "[Service]",
        "Type=oneshot",
        `ExecStart=${quote(program)} gc --root ${quote(root)}`,
        ""
      ].join("\n")
    },
    {
      name: `${name}.timer`,
      content: [
        "[Unit]",
        `Description=Release the machines of ${escape(root)} that died, now and then`,
        "[Timer]",
        "OnBootSec=10s",
        "OnUnitInactiveSec=15min",
        "AccuracySec=1min",
        "[Install]",
        "WantedBy=timers.target",
        ""
      ].join("\n")
    }
  ]
}

/** In a unit file % begins a specifier (systemd.unit(5)); in ExecStart= $ begins a variable (systemd.service(5)). */
const escape = (text: string): string => text.replaceAll("%", "%%")
const quote = (text: string): string => `"${escape(text).replaceAll(/["\\]/g, "\\$&").replaceAll("$", "$$$$")}"`
