// The import table of the house (CONTRIBUTING.md) as a lint rule: a file imports from lower floors only.
const areas = {
  host: ["host"],
  record: ["host", "record"],
  image: ["host", "record", "image"],
  backend: ["host", "record", "backend"],
  engine: ["host", "record", "engine"],
  machine: ["host", "record", "image", "backend", "engine", "machine"],
  build: ["host", "record", "image", "machine", "build"],
  doctor: ["host", "record", "backend", "engine", "image", "machine", "build", "doctor"],
  slice: ["host", "slice"],
  player: ["host", "slice", "player"]
}
/** What each front may import of adapters/, beside itself. */
const fronts = {
  cli: ["terminal"],
  gitlab: ["executor", "terminal"],
  player: ["terminal"],
  "nspawn-runner": ["executor", "terminal"]
}
/** What lies below the fronts, and what it may import itself. */
const below = { terminal: [], executor: ["terminal"] }
// Siblings behind one interface, which only the table of them may know.
const siblings = {
  backend: { of: /^(Btrfs|Overlay|Copy)\.ts$/, table: "Backends.ts" },
  engine: { of: /^(Managed|Standalone)\.ts$/, table: "Engines.ts" },
  build: { of: /^bootstrap\//, table: "Bootstraps.ts" },
  slice: { of: /^manager\//, table: "Managers.ts" }
}
const platform = /^(node:|@effect\/platform-node)/

/** Where a file stands: `["src", "host", "Tool.ts"]`. */
const placeOf = (file) => {
  const found = /\/(src|adapters)\/(?:([^/]+)\/)?(.+)$/.exec(file)
  return found === null ? undefined : { tree: found[1], area: found[2], file: found[3] }
}

const resolve = (from, specifier) => new URL(specifier, `file://${from}`).pathname

/** Why this import is not allowed, or undefined. */
export const verdict = (file, specifier) => {
  const from = placeOf(file)
  if (from === undefined) return undefined
  if (platform.test(specifier)) {
    const allowed = from.area === "host" || (from.tree === "adapters" && from.area === undefined)
    return allowed ? undefined : `only src/host and the two commands may import ${specifier}`
  }
  if (!specifier.startsWith(".")) return undefined
  const to = placeOf(resolve(file, specifier))
  if (to === undefined) return undefined
  if (from.tree === "src" && to.tree === "adapters") return "src/ knows no front"
  if (from.tree === "src") {
    if (from.area === undefined) return undefined
    if (!areas[from.area]?.includes(to.area)) return `${from.area} may not import ${to.area ?? "the door of the SDK"}`
    const rule = siblings[to.area]
    if (rule !== undefined && rule.of.test(to.file) && from.file !== rule.table) {
      return `${to.file} is known to ${rule.table} alone`
    }
    return undefined
  }
  if (to.tree === "src") return to.area === undefined ? undefined : "fronts import src/index.ts and nothing below it"
  if (to.area === from.area) return undefined
  if (from.area in below && !below[from.area].includes(to.area)) return `${from.area} is below the fronts`
  if (from.area in fronts && !fronts[from.area].includes(to.area)) return "no front imports another"
  return undefined
}

export default {
  meta: { name: "redd" },
  rules: {
    layers: {
      create: (context) => {
        const check = (node) => {
          const specifier = node.source?.value
          if (typeof specifier !== "string") return
          const reason = verdict(context.filename, specifier)
          if (reason !== undefined) context.report({ node, message: reason })
        }
        return {
          ImportDeclaration: check,
          ExportNamedDeclaration: check,
          ExportAllDeclaration: check,
          ImportExpression: check
        }
      }
    }
  }
}
