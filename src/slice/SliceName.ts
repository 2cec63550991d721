/**
 * What a slice is called, and every name that derives from it.
 *
 * A dash in the name of a systemd slice makes it a child of another (systemd.slice(5)), so a key has none.
 */
import * as Schema from "effect/Schema"
import * as Digest from "../host/Digest.ts"

/** What a caller names a slice by: any text of 1 to 1000 bytes. */
export const SliceName = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter(
      (name: string) => {
        const sizeBytes = new TextEncoder().encode(name).length
        return sizeBytes > 0 && sizeBytes <= 1000 && !name.includes("\0")
      },
      { expected: "a name of 1 to 1000 bytes" }
    )
  ),
  Schema.brand("SliceName")
)
export type SliceName = typeof SliceName.Type

/** What a name becomes on this host: a short readable part, and a hash of the manager's folder and the name. */
export const SliceKey = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[a-z0-9]{1,20}_[0-9a-f]{16}$/)),
  Schema.brand("SliceKey")
)
export type SliceKey = typeof SliceKey.Type

/** The key of a name: two names, or one name of two users, never share one (64 bits of SHA-256). */
export const keyOf = (folder: string, name: SliceName): SliceKey =>
  SliceKey.make(`${Digest.readable(name, "slice")}_${Digest.hex(folder, name).slice(0, 16)}`)

/** All of a slice, or one run of it. */
export interface Place {
  readonly key: SliceKey
  /** A number. */
  readonly run?: string | undefined
}

export type RunPlace = Place & { readonly run: string }

/** The slice's unit, where systemd holds it. */
export const unitOf = ({ key }: Place): string => `redd_${key}.slice`
/** The unit of one run. */
export const scopeOf = ({ key, run }: Place): string => `redd_${key}-${run}.scope`
/** The slice's cgroup, where we hold it; a run's is below. */
export const cgroupNameOf = ({ key, run }: Place): string => (run === undefined ? `redd_${key}` : `redd_${key}/${run}`)
/** What a PID namespace of the slice is found by: a variable of its first process. */
export const markVariable = "REDD_SLICE"
export const markOf = ({ key, run }: RunPlace): string => `${key}.${run}`
/** The lock of whoever has the slice. */
export const lockOf = (key: SliceKey): string => `slice-${key}`
