/** What calls us: a `[[runners]]` block of GitLab Runner's config.toml. */
import * as Duration from "effect/Duration"
import { stringify } from "smol-toml"
import type { Configuration } from "../terminal/Configuration.ts"

/** What a block is made of. */
export interface Runner {
  readonly name: string | undefined
  readonly url: string | undefined
  readonly token: string | undefined
  readonly concurrency: number | undefined
  /** The command, absolute. */
  readonly program: string
  /** Its arguments in each stage. */
  readonly stages: Readonly<Record<"config" | "prepare" | "run" | "cleanup", ReadonlyArray<string>>>
}

/**
 * The block, and how to use it as comments. Time-outs are seconds: a prepare may wait for its turn behind many others, a
 * script that was told to end has its grace and as long again for what it said last.
 */
export const print = (runner: Runner, { gitlab, grace }: Pick<Configuration, "gitlab" | "grace">): string => {
  const { cleanup, config, prepare, run } = runner.stages
  const gracefulSeconds = Math.ceil(Duration.toSeconds(grace) * 2) + 10
  return `${howTo(runner)}
${stringify({
  runners: [
    {
      name: runner.name ?? "redd",
      url: runner.url ?? "https://gitlab.example.com",
      token: runner.token ?? "glrt-REPLACE-ME",
      executor: "custom",
      ...(runner.concurrency === undefined
        ? {}
        : { limit: runner.concurrency, request_concurrency: runner.concurrency }),
      builds_dir: gitlab.buildsDir,
      cache_dir: gitlab.cacheDir,
      ...(gitlab.shell === undefined ? {} : { shell: gitlab.shell }),
      custom: {
        config_exec: runner.program,
        config_args: config,
        config_exec_timeout: 60,
        prepare_exec: runner.program,
        prepare_args: prepare,
        prepare_exec_timeout: 600,
        run_exec: runner.program,
        run_args: run,
        cleanup_exec: runner.program,
        cleanup_args: cleanup,
        cleanup_exec_timeout: 300,
        graceful_kill_timeout: gracefulSeconds,
        force_kill_timeout: 30
      }
    }
  ]
})}`
}

const howTo = ({ concurrency, token, url }: Runner): string =>
  [
    ...(token === undefined
      ? [
          "In GitLab, create a runner (Settings > CI/CD > Runners, or Admin > CI/CD > Runners). It shows a token once:",
          "put it below."
        ]
      : []),
    ...(url === undefined ? ["Put your GitLab's address below."] : []),
    "Append this to /etc/gitlab-runner/config.toml; gitlab-runner sees that by itself.",
    `At the top of that file, before the first [[runners]]: concurrent = ${concurrency ?? "the number of jobs at once"}`,
    "Try it: gitlab-runner verify"
  ]
    .map((line) => `# ${line}`)
    .join("\n")
