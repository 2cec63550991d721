import { backendSuite, places } from "../suite/backend.ts"
import { fullSuite, lab, thisMachine } from "./Lab.ts"

const full = () => lab(fullSuite())
for (const place of places) {
  for (const engine of ["managed", "standalone"] as const) backendSuite({ ...place, engine, host: full })
}

// This machine, whatever it is: what needs no tool newer than Debian 12 has.
for (const place of places.slice(0, 4)) {
  if (place.backend !== "overlay") backendSuite({ ...place, engine: "standalone", host: thisMachine })
}
