import { backendSuite, places } from "../suite/backend.ts"
import { partOf } from "../suite/part.ts"
import { fullSuite, lab, thisMachine } from "./Lab.ts"

const full = () => lab(fullSuite())
for (const place of places) {
  for (const engine of partOf(["managed", "standalone"] as const, 2)) backendSuite({ ...place, engine, host: full })
}

// This machine, whatever it is: what needs no tool newer than Debian 12 has.
for (const place of places.slice(0, 4)) {
  if (place.backend !== "overlay") backendSuite({ ...place, engine: "standalone", host: thisMachine })
}
