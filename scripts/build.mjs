// Bundles the commands into dist/: files that need nothing beside them but Node.
import { readFile, mkdir, rm, writeFile } from "node:fs/promises"
import { setFlagsFromString } from "node:v8"
import { Script } from "node:vm"
import { rolldown } from "rolldown"

const top = new URL("../", import.meta.url).pathname
const dist = `${top}dist/`
await rm(dist, { recursive: true, force: true })
await mkdir(dist, { recursive: true })

/** The commands themselves, which load the rest. */
const loaders = ["redd", "nspawn-runner"]

/** Bundles one entry, and says what went into each of its files. */
const build = async (name) => {
  const bundle = await rolldown({
    input: { [name]: `${top}adapters/${name}.ts` },
    platform: "node",
    preserveEntrySignatures: "allow-extension",
    logLevel: "warn",
    // effect asks for the environment of a web page's bundler, and takes no for an answer.
    transform: loaders.includes(name) ? {} : { define: { "import.meta": "{}" } }
  })
  const { output } = await bundle.write({
    dir: dist,
    format: "cjs",
    dynamicImportInCjs: false,
    minify: true,
    entryFileNames: "[name].cjs",
    chunkFileNames: `${name}-[name].cjs`
  })
  await bundle.close()
  return output
    .filter(({ type }) => type === "chunk")
    .map(({ dynamicImports, fileName, imports, modules }) => ({
      file: fileName,
      imports,
      dynamicImports,
      modules: Object.entries(modules)
        .filter(([, { renderedLength }]) => renderedLength > 0)
        .map(([id, { renderedLength }]) => ({ module: id.replace(top, ""), characters: renderedLength }))
    }))
}

/** Makes a file a function, as adapters/load.ts wants it, and compiles all of it once for all starts. */
const compile = async ({ file }) => {
  const path = `${dist}${file}`
  const code = `(function(exports,require){${await readFile(path, "utf8")}\n})`
  setFlagsFromString("--no-lazy")
  const script = new Script(code, { filename: path })
  // A cache is of use only under the flags that it was made with.
  setFlagsFromString("--lazy")
  await writeFile(path, code)
  await writeFile(`${path}.cache`, script.createCachedData())
}

const loaded = []
for (const name of loaders) loaded.push(...(await build(name)))
const bundles = []
for (const name of ["redd-quick", "redd-full", "nspawn-runner-full"]) bundles.push(...(await build(name)))
for (const bundle of bundles) await compile(bundle)
// What each file holds and loads, for the test of what `redd run` reaches.
await writeFile(`${dist}modules.json`, JSON.stringify([...loaded, ...bundles], undefined, 2))
