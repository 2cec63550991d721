/** Lines of what a player writes: the last ones are kept, for who wants to know why it ended. Bounded, whatever it writes. */

const mostLines = 20
const mostCharacters = 1000

export interface LastLines {
  /** Takes what was written, and gives the lines that it completed. */
  take(bytes: Uint8Array): ReadonlyArray<string>
  /** The last lines, one that is not complete included. */
  text(): string
}

export const make = (): LastLines => {
  const decoder = new TextDecoder()
  let open = ""
  let lines: ReadonlyArray<string> = []
  return {
    take: (bytes) => {
      const parts = (open + decoder.decode(bytes, { stream: true })).split("\n")
      open = (parts.pop() ?? "").slice(0, mostCharacters)
      const complete = parts.map((line) => line.replace(/\r$/, "").slice(0, mostCharacters))
      lines = [...lines, ...complete].slice(-mostLines)
      return complete
    },
    text: () => [...lines, ...(open === "" ? [] : [open])].slice(-mostLines).join("\n")
  }
}
