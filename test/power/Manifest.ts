/** What a tree is, file by file, so that one that is whole can be told from one that is not. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs"
import { crc32 } from "node:zlib"

/** A path below the tree, and what lies there: kind, mode, owners, and the CRC-32 of its content or where it points. */
export type Manifest = Readonly<Record<string, string>>

/** What a commit writes itself (Images, `settle`). */
const settled = new Set(["etc/.updated", "var/.updated", "etc/machine-id"])

/** The manifest of these parts of `tree`. */
export const manifest = (tree: string, parts: ReadonlyArray<string>): Manifest => {
  const found: Record<string, string> = {}
  const waiting = [...parts]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const file = `${tree}/${path}`
    const stats = lstatSync(file, { throwIfNoEntry: false })
    if (stats === undefined) continue
    const owners = `${(stats.mode & 0o7777).toString(8)} ${stats.uid}:${stats.gid}`
    if (stats.isDirectory()) {
      found[path] = `folder ${owners}`
      for (const name of readdirSync(file)) waiting.push(`${path}/${name}`)
    } else if (settled.has(path)) continue
    else if (stats.isSymbolicLink()) found[path] = `link ${readlinkSync(file)}`
    else if (stats.isFile()) found[path] = `file ${owners} ${stats.size} ${crc32(readFileSync(file))}`
    else found[path] = `other ${owners}`
  }
  return found
}

/** The first few differences, in words; none where the two are the same. */
export const differences = (wanted: Manifest, found: Manifest): ReadonlyArray<string> =>
  [...new Set([...Object.keys(wanted), ...Object.keys(found)])]
    .filter((path) => wanted[path] !== found[path])
    .slice(0, 5)
    .map((path) => `${path}: ${found[path] ?? "absent"}, and not ${wanted[path] ?? "absent"}`)
