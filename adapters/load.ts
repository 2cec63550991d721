/**
 * Loads the bundles that the build made, each with its code cache beside it: Node's own compile cache (node:module) holds
 * what a file compiles when it is loaded, and not the functions in it, which are most of the work. A cache that another
 * Node made is not used.
 */
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { Script } from "node:vm"

type Require = (name: string) => unknown

const builtin: Require = createRequire(import.meta.filename)
const loaded = new Map<string, Record<string, unknown>>()

/** What a bundle exports; it is run once. */
export const load = (name: string): Record<string, unknown> => {
  const known = loaded.get(name)
  if (known !== undefined) return known
  const exports = {}
  loaded.set(name, exports)
  const file = `${import.meta.dirname}/${name}`
  const cache = `${file}.cache`
  const cachedData = existsSync(cache) ? readFileSync(cache) : undefined
  const script = new Script(readFileSync(file, "utf8"), { filename: file, cachedData })
  const evaluate: (exports: object, require: Require) => void = script.runInThisContext()
  evaluate(exports, (wanted) => (wanted.startsWith("./") ? load(wanted.slice(2)) : builtin(wanted)))
  return exports
}
