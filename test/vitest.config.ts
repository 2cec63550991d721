import { defineConfig } from "vitest/config"

/**
 * Who has the labs alone, after the others: sixty boots leave nothing for others to be in time with, a systemd that
 * restarts serves nobody, and strays that are made on purpose are what others look for.
 */
const alone = ["test/lab/many.test.ts", "test/lab/luck.test.ts", "test/lab/gc.test.ts"]

/** Its host takes half a gigabyte of packages: run where it is asked for, and by `npm run test:whole`. */
const office = ["test/lab/office.test.ts"]

export default defineConfig({
  test: {
    passWithNoTests: true,
    root: new URL("..", import.meta.url).pathname,
    projects: [
      {
        extends: true,
        // Not isolated: loading Effect for each file takes longer than most of them do.
        test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 60_000, isolate: false }
      },
      {
        extends: true,
        // Emulated machines: each has one thing to do at a time, and so leaves a core to the other.
        test: {
          name: "vm",
          include: ["test/vm/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          maxWorkers: 2
        }
      },
      {
        extends: true,
        test: {
          name: "lab",
          include: ["test/lab/**/*.test.ts"],
          exclude: [...alone, ...office],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2
        }
      },
      {
        extends: true,
        test: { name: "office", include: office, testTimeout: 120_000, hookTimeout: 120_000, maxWorkers: 1 }
      },
      {
        extends: true,
        test: { name: "alone", include: alone, testTimeout: 120_000, hookTimeout: 120_000, maxWorkers: 1 }
      }
    ]
  }
})
