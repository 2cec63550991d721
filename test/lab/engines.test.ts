import { engineSuite } from "../suite/engine.ts"
import { fullSuite, lab, thisMachine } from "./Lab.ts"

engineSuite({ engine: "managed", host: () => lab(fullSuite()) })
engineSuite({ engine: "standalone", host: thisMachine })
