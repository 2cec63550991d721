import { defineConfig } from "vitest/config"

/** Sixty boots leave nothing for others to be in time with: run after them, alone. */
const crowd = ["test/lab/many.test.ts", "test/lab/luck.test.ts"]

export default defineConfig({
  test: {
    passWithNoTests: true,
    root: new URL("..", import.meta.url).pathname,
    projects: [
      { extends: true, test: { name: "unit", include: ["test/unit/**/*.test.ts"] } },
      {
        extends: true,
        // A machine emulated on two cores, that may have something else to do: one after the other.
        test: {
          name: "vm",
          include: ["test/vm/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          maxWorkers: 1
        }
      },
      {
        extends: true,
        test: {
          name: "lab",
          include: ["test/lab/**/*.test.ts"],
          exclude: crowd,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2
        }
      },
      // What fills the host, or restarts its systemd, has it for itself.
      {
        extends: true,
        test: { name: "crowd", include: crowd, testTimeout: 120_000, hookTimeout: 120_000, maxWorkers: 1 }
      }
    ]
  }
})
