/** Units of systemd that run `redd gc` from time to time and when the host has booted, and `redd apply` once a night. */
import * as Digest from "../host/Digest.ts"
import type { UnitFile } from "../host/Units.ts"

/** The service that releases what died, and its timer. `program` is the command `redd`, an absolute path. */
export const gcUnits = (program: string, root: string): ReadonlyArray<UnitFile> =>
  pair(root, {
    name: "redd-gc",
    does: (state) => `Release the machines of ${state} that died`,
    unit: [],
    service: [`ExecStart=${quote(program)} gc --root ${quote(root)}`],
    timer: ["OnBootSec=10s", "OnUnitInactiveSec=15min", "AccuracySec=1min"]
  })

/** The service that has the images be what their definitions say, and its timer. */
export const maintenanceUnits = (program: string, root: string): ReadonlyArray<UnitFile> =>
  pair(root, {
    name: "redd-maintenance",
    does: (state) => `Make the images of ${state} what their definitions say`,
    unit: ["Wants=network-online.target", "After=network-online.target"],
    service: ["Nice=10", "IOSchedulingClass=idle", `ExecStart=${quote(program)} apply --root ${quote(root)}`],
    timer: ["OnCalendar=*-*-* 03:00", "RandomizedDelaySec=1h", "Persistent=yes"]
  })

interface Timed {
  readonly name: string
  readonly does: (state: string) => string
  readonly unit: ReadonlyArray<string>
  readonly service: ReadonlyArray<string>
  readonly timer: ReadonlyArray<string>
}

const pair = (root: string, { does, name, service, timer, unit }: Timed): ReadonlyArray<UnitFile> => {
  const own = root === "/var/lib/redd" ? name : `${name}-${Digest.hex(root).slice(0, 8)}`
  const head = ["[Unit]", `Description=${does(escape(root))}`]
  const files = {
    service: [...head, `RequiresMountsFor=${quote(root)}`, ...unit, "[Service]", "Type=oneshot", ...service],
    timer: [...head, "[Timer]", ...timer, "[Install]", "WantedBy=timers.target"]
  }
  return Object.entries(files).map(([kind, lines]) => ({ name: `${own}.${kind}`, content: `${lines.join("\n")}\n` }))
}

/** In a unit file % begins a specifier (systemd.unit(5)); in ExecStart= $ begins a variable (systemd.service(5)). */
const escape = (text: string): string => text.replaceAll("%", "%%")
const quote = (text: string): string => `"${escape(text).replaceAll(/["\\]/g, "\\$&").replaceAll("$", "$$$$")}"`
