import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

interface Bundle {
  readonly file: string
  readonly imports: ReadonlyArray<string>
  readonly modules: ReadonlyArray<{ readonly module: string }>
}

/** What the build says that it put into each file. */
const bundles: ReadonlyArray<Bundle> = JSON.parse(
  readFileSync(new URL("../../../dist/modules.json", import.meta.url), "utf8")
)

/** The modules that a file loads before it does anything. */
const reached = (file: string): ReadonlyArray<string> => {
  const bundle = bundles.find((each) => each.file === file)
  if (bundle === undefined) return []
  return [...bundle.modules.map(({ module }) => module), ...bundle.imports.flatMap(reached)]
}

const needless =
  /^src\/(build|doctor|image|backend)\/|^src\/machine\/(Steps|Transfer|Shell)\.ts$|^node_modules\/yaml\/|\/effect\/dist\/cli\/|platform-node.*Services/

describe("what a start loads", () => {
  it("run and exec reach no YAML, build, image, doctor or command line code", () => {
    const modules = reached("redd-quick.cjs")
    assert.include(modules, "src/machine/Exec.ts")
    assert.deepStrictEqual(
      modules.filter((module) => needless.test(module)),
      []
    )
  })
  it("the full command line reaches the rest of that", () => {
    const modules = reached("redd-full.cjs")
    for (const module of ["src/doctor/Doctor.ts", "src/image/Images.ts", "node_modules/effect/dist/cli/Command.js"])
      assert.isTrue(needless.test(module) && modules.includes(module), module)
  })
  it("YAML is loaded where there is a configuration", () => {
    const holders = bundles.filter(({ modules }) =>
      modules.some(({ module }) => module.startsWith("node_modules/yaml/"))
    )
    assert.isNotEmpty(holders)
    for (const start of ["redd-quick.cjs", "redd-full.cjs"])
      assert.isFalse(
        reached(start).some((module) => module.startsWith("node_modules/yaml/")),
        start
      )
  })
  it("the loader holds nothing but itself", () => {
    assert.deepStrictEqual(reached("redd.cjs"), ["adapters/load.ts", "adapters/redd.ts"])
  })
})
