/** Help on standard output; what is wrong with a command line as one paragraph on standard error. */
import * as Effect from "effect/Effect"
import * as CliOutput from "effect/cli/CliOutput"
import * as Say from "./Say.ts"

export const layer = CliOutput.layerPresenter({
  present: (event) => {
    const formatter = CliOutput.defaultFormatter({ colors: false })
    if (event._tag === "Version") return Say.result(`redd ${event.version}`)
    if (event._tag === "Help") return Say.result(formatter.formatHelpDoc(event.helpDoc))
    const said = event.errors.map((error) =>
      error.message
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== "")
        .join(" ")
    )
    const command = event.commandPath.join(" ")
    // `redd exec --id X ls -l`: the -l was meant for ls.
    const forgotDashes =
      event.errors.some((error) => error._tag === "UnrecognizedOption") && /^redd (exec|once)$/.test(command)
    const hint = forgotDashes
      ? `write -- before the command that runs in the machine: ${command} … -- CMD ARG…`
      : `${command} --help has every flag, with examples`
    return Effect.andThen(Say.note(`redd: ${said.join("; ")}`), Say.note(`hint: ${hint}`))
  }
})
