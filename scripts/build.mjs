// Bundles the commands into dist/: one file each that needs nothing beside it but Node.
import { mkdir, rm, writeFile } from "node:fs/promises"
import { rolldown } from "rolldown"

const dist = new URL("../dist/", import.meta.url).pathname
await rm(dist, { recursive: true, force: true })
await mkdir(dist, { recursive: true })

const bundle = await rolldown({
  input: new URL("../adapters/redd.ts", import.meta.url).pathname,
  platform: "node",
  logLevel: "warn"
})
await bundle.write({ file: `${dist}redd-main.mjs`, format: "esm", minify: true })
await bundle.close()

// The bundle is compiled once for all later starts (node:module, enableCompileCache).
await writeFile(
  `${dist}redd.mjs`,
  `import { enableCompileCache } from "node:module"
enableCompileCache(new URL("./compiled", import.meta.url).pathname)
await import("./redd-main.mjs")
`
)
