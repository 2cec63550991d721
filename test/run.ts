/** `npm test`: the build, what can be said without running, unit tests. */
import { spawnSync } from "node:child_process"

const top = new URL("..", import.meta.url).pathname
for (const args of [
  ["scripts/build.mjs"],
  ["test/check.ts"],
  ["node_modules/vitest/vitest.mjs", "run", "--config", "test/vitest.config.ts", "--project", "unit"]
]) {
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit", cwd: top })
  if (status !== 0) process.exit(status ?? 1)
}
