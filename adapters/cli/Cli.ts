/** The generic front: every command that any CI, hook or Makefile uses. */
import { apply } from "./Apply.ts"
import { copyIn, copyOut } from "./Copy.ts"
import { doctor } from "./Doctor.ts"
import { exec } from "./Exec.ts"
import { image } from "./Image.ts"
import { cleanup, gc, list, shell } from "./Life.ts"
import { once } from "./Once.ts"
import { prepare } from "./Prepare.ts"
import { run } from "./Run.ts"
import { setup } from "./Setup.ts"

export const commands = [
  prepare,
  run,
  exec,
  shell,
  copyIn,
  copyOut,
  cleanup,
  once,
  list,
  gc,
  doctor,
  image,
  apply,
  setup
] as const
