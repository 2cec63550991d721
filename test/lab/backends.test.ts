import { backendSuite, type Subject } from "../suite/backend.ts"
import { fullSuite, lab, thisMachine } from "./Lab.ts"

const full = () => lab(fullSuite())
const places = [
  { backend: "btrfs", disk: "btrfs" },
  { backend: "overlay", disk: "disk" },
  { backend: "reflink", disk: "xfs" },
  { backend: "copy", disk: "disk" },
  { backend: "tmpfs", disk: "disk" }
] as const satisfies ReadonlyArray<Omit<Subject, "engine" | "host">>

for (const place of places) {
  for (const engine of ["managed", "standalone"] as const) backendSuite({ ...place, engine, host: full })
}

// This machine, whatever it is: what needs no tool newer than Debian 12 has.
for (const place of places.slice(0, 4)) {
  if (place.backend !== "overlay") backendSuite({ ...place, engine: "standalone", host: thisMachine })
}
