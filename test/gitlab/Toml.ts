/** What a runner reads of its config.toml. */
import { parse, type TomlTable, type TomlValue } from "smol-toml"

export interface Call {
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly timeoutSeconds: number
}

export interface Runner {
  readonly name: string
  readonly url: string
  readonly token: string
  readonly executor: string
  readonly limit: number
  readonly buildsDir: string
  readonly cacheDir: string
  readonly config: Call
  readonly prepare: Call
  readonly run: Call
  readonly cleanup: Call
  readonly gracefulKillSeconds: number
}

/** The only runner of a configuration. */
export const runnerOf = (text: string): Runner => {
  const [first, ...others] = list(parse(text)["runners"])
  if (others.length > 0) throw new Error("there is more than one [[runners]]")
  const runner = table(first)
  const custom = table(runner["custom"])
  const call = (stage: string): Call => ({
    program: word(custom[`${stage}_exec`]),
    args: list(custom[`${stage}_args`] ?? []).map(word),
    timeoutSeconds: number(custom[`${stage}_exec_timeout`], 3600)
  })
  return {
    name: word(runner["name"]),
    url: word(runner["url"]),
    token: word(runner["token"]),
    executor: word(runner["executor"]),
    limit: number(runner["limit"], 0),
    buildsDir: word(runner["builds_dir"]),
    cacheDir: word(runner["cache_dir"]),
    config: call("config"),
    prepare: call("prepare"),
    run: call("run"),
    cleanup: call("cleanup"),
    gracefulKillSeconds: number(custom["graceful_kill_timeout"], 600)
  }
}

const list = (value: TomlValue | undefined): ReadonlyArray<TomlValue> => {
  if (!Array.isArray(value)) throw new Error(`${String(value)} is no array`)
  return value
}
const table = (value: TomlValue | undefined): TomlTable => {
  if (typeof value !== "object" || Array.isArray(value) || value instanceof Date) throw new Error("there is no table")
  return value
}
const word = (value: TomlValue | undefined): string => (typeof value === "string" ? value : "")
const number = (value: TomlValue | undefined, otherwise: number): number =>
  typeof value === "number" ? value : otherwise
