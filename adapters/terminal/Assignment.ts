/** `NAME=value`, as `--env` takes it. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { MachineRecord } from "../../src/index.ts"

/** The name and the value; None where the name is not one that a POSIX shell can export. */
export const parse = (text: string): Option.Option<readonly [name: string, value: string]> => {
  const at = text.indexOf("=")
  const name = text.slice(0, at)
  return at > 0 && isVariable(name) ? Option.some([name, text.slice(at + 1)]) : Option.none()
}

const isVariable = Schema.is(MachineRecord.VariableName)
