/** What test/gitlab/runner.ts is told and what it answers. */

export interface Order {
  /** The text of a config.toml. */
  readonly toml: string
  /** A folder of bare repositories. */
  readonly repositories: string
  /** Of GitLab Runner itself. */
  readonly environment?: Readonly<Record<string, string>>
  /** Between two tries of prepare; three seconds in real life. */
  readonly retryMs?: number
  /** Jobs of one wave run at the same time, waves one after the other. */
  readonly waves: ReadonlyArray<ReadonlyArray<Job>>
}

export interface Job {
  readonly id: number
  readonly runner?: number
  /** GitLab's own name, for a job that fetches nothing from it. */
  readonly server?: string
  readonly project?: number
  readonly protected?: boolean
  readonly timeoutSeconds?: number
  readonly image?: string
  readonly services?: ReadonlyArray<string>
  readonly variables?: Readonly<Record<string, string>>
  readonly fileVariables?: Readonly<Record<string, string>>
  readonly script: ReadonlyArray<string>
  readonly afterScript?: ReadonlyArray<string>
  /** Paths below the project. */
  readonly cache?: ReadonlyArray<string>
  /** Other lines for a stage than the runner's own. */
  readonly lines?: Readonly<Record<string, ReadonlyArray<string>>>
  /** The whole script of a stage. */
  readonly verbatim?: Readonly<Record<string, string>>
  readonly withoutSources?: boolean
  /** Stages that GitLab does not have today, before the script. */
  readonly extraStages?: ReadonlyArray<string>
  /** How often a stage is tried (GET_SOURCES_ATTEMPTS and its like). */
  readonly tries?: Readonly<Record<string, number>>
  /** A stage whose script has vanished. */
  readonly withoutScript?: string
  /** The runner is killed before it could clean up. */
  readonly withoutCleanup?: boolean
  /** The job response, as a text; `none`: there is no such file. */
  readonly response?: string
  /** Before 17.9: no BUILD_EXIT_CODE_FILE. */
  readonly isOldRunner?: boolean
  /** Cancels in this stage, when it has said this or when this folder has an entry. */
  readonly cancel?: {
    readonly stage: string
    /** `canceled` goes to cleanup at once, `canceling` of a script has after_script run. */
    readonly kind: "canceled" | "canceling"
    readonly says?: string
    readonly entryIn?: string
  }
}

export type Verdict =
  | { readonly kind: "success" }
  | { readonly kind: "canceled" }
  | { readonly kind: "script_failure"; readonly code: number }
  | { readonly kind: "system_failure"; readonly unknown?: number }

/** One call of the driver. */
export interface Stage {
  readonly name: string
  readonly code: number
  readonly signal?: string
  /** How much it wrote on standard output; of long outputs the end is kept. */
  readonly characters: number
  /** What was in BUILD_EXIT_CODE_FILE afterwards. */
  readonly file?: string
  readonly stdout: string
  readonly stderr: string
}

export interface Result {
  readonly id: number
  readonly verdict: Verdict
  readonly stages: ReadonlyArray<Stage>
  /** What the job's log would hold. */
  readonly log: string
}
