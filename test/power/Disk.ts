/**
 * A disk with a volatile write cache, for a VM to lose power with: what the guest wrote and did not flush is in our
 * memory only, and a power cut loses half of it, block by block, in no order. What was flushed is in the file.
 *
 * Killing QEMU alone would lose nothing that the guest's kernel had written out, flushed or not: the page cache of the
 * machine that QEMU runs on would keep it.
 *
 * The wire is NBD's (the fixed newstyle handshake and simple replies of
 * https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md), on a Unix socket that QEMU connects to.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs"
import { createServer, type Socket } from "node:net"

export interface Disk {
  /** The disk as an argument of QEMU's -drive. */
  readonly drive: string
  /** Power goes: how many blocks were in the cache, and how many of them are lost. The disk can be connected to again. */
  cut(): { readonly cached: number; readonly lost: number }
  close(): void
}

const blockBytes = 4096
const magic = { handshake: "NBDMAGICIHAVEOPT", optionReply: 0x3e889045565a9n, request: 0x25609513, reply: 0x67446698 }
const option = { abort: 2, info: 6, go: 7 }
const answer = { ack: 1, info: 3, unsupported: 2 ** 31 + 1 }
const command = { read: 0, write: 1, disconnect: 2, flush: 3 }
/** Has flags, takes flushes, takes FUA. */
const exportFlags = 1 | 4 | 8
const forceUnitAccess = 1
const EIO = 5

/** Serves `file` at `socket`. `chance` says of each block of a cut whether it is kept: a number from 0 to 1, kept below 0.5. */
export const serve = async (file: string, socket: string, chance: () => number): Promise<Disk> => {
  const fd = openSync(file, "r+")
  const sizeBytes = fstatSync(fd).size
  let cache = new Map<number, Buffer>()

  const stored = (block: number): Buffer => {
    const bytes = Buffer.alloc(blockBytes)
    readSync(fd, bytes, 0, blockBytes, block * blockBytes)
    return bytes
  }
  const store = (block: number, bytes: Buffer) => writeSync(fd, bytes, 0, blockBytes, block * blockBytes)
  const flush = (first = 0, last = Infinity) => {
    for (const [block, bytes] of cache) {
      if (block < first || block > last) continue
      store(block, bytes)
      cache.delete(block)
    }
  }
  const read = (offset: number, length: number): Buffer => {
    const bytes = Buffer.alloc(length)
    readSync(fd, bytes, 0, length, offset)
    overlap(offset, length, (block, inBlock, inBytes, count) => {
      cache.get(block)?.copy(bytes, inBytes, inBlock, inBlock + count)
    })
    return bytes
  }
  const write = (offset: number, bytes: Buffer) =>
    overlap(offset, bytes.length, (block, inBlock, inBytes, count) => {
      const whole = count === blockBytes ? Buffer.alloc(blockBytes) : Buffer.from(cache.get(block) ?? stored(block))
      bytes.copy(whole, inBlock, inBytes, inBytes + count)
      cache.set(block, whole)
    })

  const connections = new Set<Socket>()
  const server = createServer((connection) => {
    connections.add(connection)
    connection.on("error", () => undefined)
    connection.on("close", () => connections.delete(connection))
    talk(connection, sizeBytes, {
      read,
      write: (offset, bytes, now) => {
        write(offset, bytes)
        if (now) flush(Math.floor(offset / blockBytes), Math.floor((offset + bytes.length - 1) / blockBytes))
      },
      flush: () => flush()
    }).catch(() => connection.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject)
    server.listen(socket, resolve)
  })
  return {
    drive: `file=nbd:unix:${socket},if=virtio,format=raw,cache=writeback`,
    cut: () => {
      for (const connection of connections) connection.destroy()
      const [cut, cached] = [cache, cache.size]
      cache = new Map()
      let lost = 0
      for (const [block, bytes] of cut) {
        if (chance() < 0.5) store(block, bytes)
        else lost++
      }
      return { cached, lost }
    },
    close: () => {
      for (const connection of connections) connection.destroy()
      server.close()
      closeSync(fd)
    }
  }
}

/** Calls `each` with every block that a stretch of the disk touches, and where the two overlap. */
const overlap = (
  offset: number,
  length: number,
  each: (block: number, inBlock: number, inBytes: number, count: number) => void
) => {
  for (let at = offset; at < offset + length;) {
    const inBlock = at % blockBytes
    const count = Math.min(blockBytes - inBlock, offset + length - at)
    each((at - inBlock) / blockBytes, inBlock, at - offset, count)
    at += count
  }
}

interface Backing {
  read(offset: number, length: number): Buffer
  write(offset: number, bytes: Buffer, now: boolean): void
  flush(): void
}

/** One client, from its greeting to its end. */
const talk = async (connection: Socket, sizeBytes: number, backing: Backing): Promise<void> => {
  const take = reader(connection)
  const flagsOfServer = Buffer.alloc(2)
  // Fixed newstyle.
  flagsOfServer.writeUInt16BE(1)
  connection.write(Buffer.concat([Buffer.from(magic.handshake), flagsOfServer]))
  await take(4)
  for (;;) {
    const head = await take(16)
    const wanted = head.readUInt32BE(8)
    await take(head.readUInt32BE(12))
    const say = (type: number, data = Buffer.alloc(0)) => {
      const reply = Buffer.alloc(20)
      reply.writeBigUInt64BE(magic.optionReply)
      reply.writeUInt32BE(wanted, 8)
      reply.writeUInt32BE(type, 12)
      reply.writeUInt32BE(data.length, 16)
      connection.write(Buffer.concat([reply, data]))
    }
    if (wanted !== option.go && wanted !== option.info) {
      say(wanted === option.abort ? answer.ack : answer.unsupported)
      continue
    }
    const facts = Buffer.alloc(12)
    facts.writeBigUInt64BE(BigInt(sizeBytes), 2)
    facts.writeUInt16BE(exportFlags, 10)
    say(answer.info, facts)
    say(answer.ack)
    if (wanted === option.go) break
  }
  for (;;) {
    const request = await take(28)
    if (request.readUInt32BE() !== magic.request) throw new Error("no request of NBD's")
    const now = (request.readUInt16BE(4) & forceUnitAccess) !== 0
    const type = request.readUInt16BE(6)
    const offset = Number(request.readBigUInt64BE(16))
    const length = request.readUInt32BE(24)
    const reply = Buffer.alloc(16)
    reply.writeUInt32BE(magic.reply)
    request.copy(reply, 8, 8, 16)
    let data = Buffer.alloc(0)
    if (type === command.read) data = Buffer.from(backing.read(offset, length))
    else if (type === command.write) backing.write(offset, await take(length), now)
    else if (type === command.flush) backing.flush()
    else if (type === command.disconnect) throw new Error("the client is done")
    else reply.writeUInt32BE(EIO, 4)
    connection.write(data.length === 0 ? reply : Buffer.concat([reply, data]))
  }
}

/** Takes so many bytes from a connection, as they come. Rejects once it was destroyed, whatever had come by then. */
const reader = (connection: Socket): ((length: number) => Promise<Buffer>) => {
  let chunks: Array<Buffer> = []
  let held = 0
  let waiting: (() => void) | undefined
  connection.on("data", (chunk: Buffer) => {
    chunks.push(chunk)
    held += chunk.length
    waiting?.()
  })
  connection.on("close", () => waiting?.())
  return async (length) => {
    for (;;) {
      if (connection.destroyed) throw new Error("the client went away")
      if (held >= length) break
      await new Promise<void>((resolve) => (waiting = resolve))
    }
    const all = chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks)
    chunks = all.length > length ? [all.subarray(length)] : []
    held = all.length - length
    return all.subarray(0, length)
  }
}
