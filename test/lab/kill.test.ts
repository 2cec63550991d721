import { places } from "../suite/backend.ts"
import { killSuite } from "../suite/kill.ts"
import { fullSuite, lab } from "./Lab.ts"

for (const place of places) {
  for (const engine of ["managed", "standalone"] as const) killSuite({ ...place, engine, host: () => lab(fullSuite()) })
}
