/** Names from texts: what must be short, harmless and never collide is a hash. */
import { readFileSync } from "node:fs"
import { sha256 } from "@noble/hashes/sha2.js"

/** SHA-256 of the parts, each kept apart from the next, in hexadecimal. Not by node:crypto: loading it takes 5 ms. */
export const hex = (...parts: ReadonlyArray<string>): string =>
  Buffer.from(sha256(new TextEncoder().encode(parts.join("\0")))).toString("hex")

/** The letters and digits of a text, small, at most 20 of them: the part of a name that a person recognises. */
export const readable = (text: string, otherwise: string): string => {
  const found = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "")
    .slice(0, 20)
  return found === "" ? otherwise : found
}

/** 128 random bits as machine-id(5) writes them: a UUID of the kernel's (random(4)), again without node:crypto. */
export const freshMachineId = (): string =>
  readFileSync("/proc/sys/kernel/random/uuid", "utf8").trim().replaceAll("-", "")
