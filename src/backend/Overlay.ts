/**
 * An overlay mount: the generation below, read-only, and an upper folder for what the machine writes, on disk
 * (`overlay`) or in RAM (`tmpfs`). The cost does not depend on the image's size.
 *
 * With isolation the lower tree is ID-mapped (`mount -o X-mount.idmap`, util-linux 2.39) and the upper given to the
 * range: systemd-nspawn's own ownership map cannot map an overlay.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Files from "../host/Files.ts"
import * as Mounts from "../host/Mounts.ts"
import * as Tree from "../host/Tree.ts"
import {
  firstRange,
  folderOf,
  type Isolation,
  MachineKey,
  type MachineRecord,
  rangeSize,
  treeOf
} from "../record/MachineRecord.ts"
import * as Attempt from "./Attempt.ts"
import type { Backend, BackendError, Proposal } from "./Backend.ts"

export const overlay: Backend = {
  name: "overlay",
  unfit: (proposal) =>
    Effect.gen(function* () {
      const { magic } = yield* Files.fileSystem(proposal.root)
      if (magic === Tree.magic.overlay) return Option.some(`${proposal.root} is itself on an overlay`)
      return yield* attempt(proposal)
    }),
  ownership: () => Effect.succeed("off"),
  make: (record) => Effect.andThen(Files.makeFolder(layersOf(record), 0o700), layer(record)),
  unmake: (record) => unmake(record)
}

export const tmpfs: Backend = {
  name: "tmpfs",
  unfit: (proposal) => attempt(proposal),
  ownership: () => Effect.succeed("off"),
  make: (record) =>
    Effect.gen(function* () {
      yield* Files.makeFolder(layersOf(record), 0o700)
      yield* Mounts.mount(layersOf(record), ["-t", "tmpfs", "-o", "mode=0700", "redd"])
      yield* layer(record)
    }),
  unmake: (record) => unmake(record)
}

const layersOf = (record: Parameters<typeof folderOf>[0]) => `${folderOf(record)}/layers`

/** Puts the layers together. Paths are relative to their folder: no name can break the mount options. */
const layer = (record: Layered): Effect.Effect<void, BackendError> =>
  Effect.gen(function* () {
    const layers = layersOf(record)
    for (const name of ["lower", "upper", "work"]) yield* Files.makeFolder(`${layers}/${name}`)
    const top = yield* Files.find(record.generation)
    const map = record.isolation === "users" ? [`X-mount.idmap=b:0:${record.range}:${rangeSize}`] : []
    yield* Mounts.mount(`${layers}/lower`, ["--bind", "-o", ["ro", ...map].join(","), record.generation])
    yield* Files.setMode(`${layers}/upper`, Option.match(top, { onNone: () => 0o755, onSome: (entry) => entry.mode }))
    yield* Files.give(`${layers}/upper`, record.range)
    yield* Files.makeFolder(treeOf(record))
    yield* Mounts.mount(
      treeOf(record),
      ["-t", "overlay", "-o", "lowerdir=lower,upperdir=upper,workdir=work", "redd"],
      layers
    )
  })

const unmake = (record: Layered): Effect.Effect<void, BackendError> =>
  Effect.gen(function* () {
    yield* Mounts.unmount(treeOf(record))
    yield* Mounts.unmount(layersOf(record))
    yield* Tree.remove(treeOf(record))
    yield* Tree.remove(layersOf(record))
  })

type Layered = Pick<MachineRecord, "root" | "key" | "generation" | "isolation" | "range">

/** The whole of it, on an empty generation. */
const attempt = ({ isolation, root }: Proposal) =>
  Attempt.once(root, `overlay-${isolation}`, (scrap) => {
    const trial: Layered = {
      root: scrap,
      key: trialKey,
      generation: `${scrap}/generation`,
      isolation,
      range: firstRange
    }
    return Files.makeFolder(trial.generation).pipe(
      Effect.andThen(Files.makeFolder(layersOf(trial))),
      Effect.andThen(layer(trial)),
      // An older mount(8) takes X-mount.idmap for a comment and says nothing: only the owner tells.
      Effect.andThen(Files.find(`${layersOf(trial)}/lower`)),
      Effect.map((lower) =>
        isolation === "none" || Option.exists(lower, ({ uid }) => uid === firstRange)
          ? Option.none()
          : Option.some(whyNot(isolation, "the option was ignored"))
      ),
      Effect.catchTag("ToolFailed", (error) => Effect.succeed(Option.some(whyNot(isolation, error.lastLines))))
    )
  })

const trialKey = MachineKey.make("trial-0000000000000000")

const whyNot = (isolation: Isolation, said: string): string => {
  const line = said.split("\n")[0] ?? ""
  return isolation === "users"
    ? `an ID-mapped overlay cannot be mounted here (mount with X-mount.idmap needs util-linux 2.39): ${line}`
    : `an overlay cannot be mounted here: ${line}`
}
