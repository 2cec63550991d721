import { killSuite } from "../suite/kill.ts"
import { fullSuite, lab } from "./Lab.ts"

const places = [
  { backend: "btrfs", disk: "btrfs" },
  { backend: "overlay", disk: "disk" },
  { backend: "reflink", disk: "xfs" },
  { backend: "copy", disk: "disk" },
  { backend: "tmpfs", disk: "disk" }
] as const

for (const place of places) {
  for (const engine of ["managed", "standalone"] as const) killSuite({ ...place, engine, host: () => lab(fullSuite()) })
}
