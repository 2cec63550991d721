/** Names from texts: what must be short, harmless and never collide is a hash. */
import { createHash, randomUUID } from "node:crypto"

/** SHA-256 of the parts, each kept apart from the next, in hexadecimal. */
export const hex = (...parts: ReadonlyArray<string>): string =>
  createHash("sha256").update(parts.join("\0")).digest("hex")

/** 128 random bits as machine-id(5) writes them. */
export const freshMachineId = (): string => randomUUID().replaceAll("-", "")
