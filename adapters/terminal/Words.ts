/** Command lines that are plainly right, without effect's command line, which costs more to load than a run takes. */
import * as Option from "effect/Option"

export interface Split {
  readonly flags: ReadonlyMap<string, ReadonlyArray<string>>
  readonly json: boolean
  readonly operands: ReadonlyArray<string>
}

/** Words as flags and operands; None where it takes the full command line to say what they mean. */
export const split = (words: ReadonlyArray<string>, known: ReadonlyArray<string>): Option.Option<Split> => {
  const flags = new Map<string, Array<string>>()
  const operands: Array<string> = []
  let json = false
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ""
    if (word === "-" || /^[^-]/.test(word)) operands.push(word)
    else if (word === "--json" && !json) json = true
    else {
      const [, flag = "", inline] = /^--([a-z][a-z-]*)(?:=([^]+))?$/.exec(word) ?? []
      const next = words[at + 1] ?? ""
      const value = inline ?? (next === "-" || next.startsWith("-") ? "" : next)
      if (!known.includes(flag) || value === "" || (flags.has(flag) && flag !== "env")) return Option.none()
      if (inline === undefined) at++
      flags.set(flag, [...(flags.get(flag) ?? []), value])
    }
  }
  return json && operands.some(isBoolean) ? Option.none() : Option.some({ flags, json, operands })
}

/** What the full command line may take for the value of `--json`, with other flags between them too. */
const isBoolean = (word: string) => /^(true|false|yes|no|y|n|on|off|1|0)$/i.test(word)
