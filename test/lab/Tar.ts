/** Archives byte by byte: what no tar would make. */

export interface Member {
  readonly name: string
  /** The type flag (tar(5)): a file when absent. */
  readonly type?: "0" | "1" | "2" | "3" | "4" | "5" | "6" | "L" | "x" | "Z"
  readonly target?: string
  readonly content?: string | Uint8Array
  readonly mode?: number
  readonly uid?: number
}

/** An archive of these members, in their order. */
export const archive = (...members: ReadonlyArray<Member>): Buffer =>
  Buffer.concat([...members.flatMap(blocks), Buffer.alloc(1024)])

export const file = (name: string, content: string | Uint8Array = "hostile\n", mode = 0o644): Member => ({
  name,
  content,
  mode
})
export const folder = (name: string): Member => ({ name, type: "5", mode: 0o755 })
export const link = (name: string, target: string): Member => ({ name, type: "2", target, mode: 0o777 })
export const hardLink = (name: string, target: string): Member => ({ name, type: "1", target })

/** A record of an extended header (pax(1)): its own length is a part of it. */
export const record = (key: string, value: string): string => {
  const rest = ` ${key}=${value}\n`
  const length = Buffer.byteLength(rest)
  const digits = String(length + String(length).length).length
  return `${length + digits}${rest}`
}

const blocks = ({ content = "", mode = 0o644, name, target = "", type = "0", uid = 0 }: Member) => {
  const data = Buffer.from(content)
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write(octal(mode, 8), 100)
  header.write(octal(uid, 8), 108)
  header.write(octal(uid, 8), 116)
  header.write(octal(data.length, 12), 124)
  header.write(octal(1_700_000_000, 12), 136)
  header.fill(" ", 148, 156)
  header.write(type, 156)
  header.write(target, 157)
  header.write("ustar\u000000", 257)
  header.write(octal(1, 8), 329)
  header.write(octal(3, 8), 337)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
  return [header, data, Buffer.alloc((512 - (data.length % 512)) % 512)]
}

const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, "0")}\0`
