/** The steps of a machine, in the order in which they are done. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Backends from "../backend/Backends.ts"
import * as Engines from "../engine/Engines.ts"
import * as Files from "../host/Files.ts"
import * as Host from "../host/Host.ts"
import * as Tree from "../host/Tree.ts"
import { folderOf, type MachineRecord, treeOf } from "../record/MachineRecord.ts"
import * as Door from "./Door.ts"
import * as Ranges from "./Ranges.ts"
import * as Ready from "./Ready.ts"
import type { Step } from "./Step.ts"

/** What a machine stands on. Nothing of it runs yet. */
export const ground: ReadonlyArray<ReadonlyArray<Step>> = [
  [{ name: "range", do: Ranges.lease, undo: Ranges.giveBack }],
  [
    {
      name: "folder",
      do: (record) => Files.makeFolder(folderOf(record), 0o700),
      undo: (record) => Tree.remove(folderOf(record))
    }
  ],
  [
    {
      name: "root",
      do: (record) => Effect.andThen(Backends.of(record).make(record), writeResolver(record)),
      undo: (record) => Backends.of(record).unmake(record)
    },
    { name: "door", do: Door.make, undo: Door.unmake }
  ]
]

/** What runs: of many machines, some at a time. */
export const boot: ReadonlyArray<ReadonlyArray<Step>> = [
  [
    {
      name: "engine",
      do: (record) => Engines.of(record).start(record),
      undo: (record) => Engines.of(record).stop(record)
    }
  ],
  [{ name: "ready", do: Ready.make, undo: Ready.unmake }]
]

/** Every step, one after the other. */
export const steps: ReadonlyArray<Step> = [...ground, ...boot].flat()

/**
 * /etc/resolv.conf as it is on the host, whose network the machine shares: whatever the image has there (a link to a
 * stub, a dangling one, a folder, nothing) gives way. Nothing runs in the tree yet, so what is looked at stays.
 */
const writeResolver = (record: MachineRecord): Effect.Effect<void, Tree.TreeError | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    if (record.network === "none") return
    const content = yield* Host.resolver
    const etc = yield* Tree.resolve(treeOf(record), "etc")
    if (Option.isNone(content) || Option.isNone(etc)) return
    const path = `${etc.value}/resolv.conf`
    const entry = yield* Files.find(path)
    if (Option.exists(entry, ({ kind }) => kind === "directory")) yield* Tree.remove(path)
    else yield* Files.remove(path)
    yield* Files.create(path, content.value, { mode: 0o644, owner: record.ownership === "off" ? record.range : 0 })
  })
