/** What others wrote, made fit for a message: a machine, a job, a tool may write anything, and as much as they like. */

/** What a machine wrote, fit for a terminal: no escape sequence, no control character but the newline. */
export const printable = (text: string): string =>
  text
    .replaceAll("\r", "\n")
    // oxlint-disable-next-line no-control-regex -- control characters are what this is about
    .replaceAll(/\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b[()][0-9A-Za-z]|[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, "")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .join("\n")

/** A word fit for a sentence: one line, as JSON would write it, and no more than a hundred characters of it. */
export const brief = (text: string): string =>
  JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text).slice(1, -1)
