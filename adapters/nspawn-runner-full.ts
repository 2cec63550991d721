/** Every command of nspawn-runner. */
import * as Contract from "./executor/Contract.ts"
import { runFull } from "./full.ts"
import { nspawnRunner } from "./nspawn-runner/NspawnRunner.ts"

runFull(nspawnRunner, Contract.read(process.env).systemFailureCode)
