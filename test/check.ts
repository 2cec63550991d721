/** Everything that can be said of the code without running it: types, lint, format. */
import { spawnSync } from "node:child_process"

const bin = new URL("../node_modules/.bin/", import.meta.url).pathname
const top = new URL("..", import.meta.url).pathname

for (const [name, args] of [
  ["tsc", ["-p", "."]],
  ["oxlint", ["--deny-warnings", "--quiet"]],
  ["oxfmt", ["--check"]]
] as const) {
  const { status } = spawnSync(process.execPath, [`${bin}${name}`, ...args], { stdio: "inherit", cwd: top })
  if (status !== 0) {
    console.error(`${name} found something; npm run format mends what is only format`)
    process.exit(1)
  }
}
