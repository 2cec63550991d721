/**
 * Files into a machine and out of it, as tar(1) archives through the door.
 *
 * What comes out is the machine's word: it is unpacked in a fresh folder, devices, FIFOs, sockets and set-id bits are
 * taken from it there, and only then does it get the name that was asked for.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Digest from "../host/Digest.ts"
import * as Files from "../host/Files.ts"
import * as Text from "../host/Text.ts"
import * as Tool from "../host/Tool.ts"
import * as Tree from "../host/Tree.ts"
import type { MachineRecord } from "../record/MachineRecord.ts"
import * as Exec from "./Exec.ts"

/** Nothing was copied, and nothing of it is left on the host. */
export class TransferFailed extends Schema.TaggedError<TransferFailed>()("TransferFailed", {
  from: Schema.String,
  to: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `Cannot copy ${this.from} to ${this.to}: ${this.reason}`
  }
  get hint(): string {
    return "check both paths; the machine needs tar"
  }
}

export type TransferError = TransferFailed | Exec.ExecError | Tree.TreeError

/** Copies a file or folder of the host into the machine: as `to`, or into it where `to` is a folder or ends in `/`. */
export const copyIn = (record: MachineRecord, from: string, to: string): Effect.Effect<void, TransferError> =>
  Effect.gen(function* () {
    if (!(yield* Files.exists(from))) return yield* new TransferFailed({ from, to, reason: `there is no ${from}` })
    const path = yield* Files.realPath(from)
    const [folder, name] = split(path)
    if (!isName(name)) return yield* new TransferFailed({ from, to, reason: `${from} has no name of its own` })
    const archive = Tool.stream("tar", [
      "--create",
      "--file=-",
      "--owner=0",
      "--group=0",
      `--directory=${folder}`,
      "--",
      name
    ])
    const words = ["/bin/sh", "-c", unpackInside, "redd", to, name]
    const { exit, stderr } = yield* Exec.collect(record, { _tag: "Words", words, stdin: archive }, { mostBytes: 4096 })
    if (Exec.exitCode(exit) !== 0) return yield* new TransferFailed({ from, to, reason: reasonOf(exit, stderr) })
  })

/** Copies a file or folder of the machine to the host: as `to`, or into it where `to` is a folder. Never over what is there. */
export const copyOut = (record: MachineRecord, from: string, to: string): Effect.Effect<void, TransferError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const failed = (reason: string) => new TransferFailed({ from, to, reason })
      const [, name] = split(from)
      if (!isName(name)) return yield* failed(`${from} has no name of its own`)
      const target = Option.exists(yield* Files.find(to), ({ kind }) => kind === "directory") ? `${to}/${name}` : to
      if (yield* Files.exists(target)) return yield* failed(`${target} exists already`)
      const [parent] = split(target)
      if (!(yield* Files.exists(parent))) return yield* failed(`there is no folder ${parent}`)
      const fresh = yield* Effect.acquireRelease(
        Effect.sync(() => `${parent}/.redd-${Digest.freshMachineId()}`),
        (folder) => Effect.ignore(Tree.remove(folder))
      )
      yield* Files.claimFolder(fresh, 0o700)
      const unpack = yield* Tool.feed("tar", [
        "--extract",
        "--file=-",
        "--no-same-owner",
        "--no-same-permissions",
        `--directory=${fresh}`
      ])
      let said = ""
      const exit = yield* Exec.run(
        record,
        { _tag: "Words", words: ["/bin/sh", "-c", packInside, "redd", from] },
        {
          grace: Duration.seconds(1),
          stdout: unpack.write,
          stderr: (bytes) => Effect.sync(() => (said = (said + new TextDecoder().decode(bytes)).slice(-4096)))
        }
      )
      const unpacked = yield* Effect.result(unpack.end)
      if (Exec.exitCode(exit) !== 0) return yield* failed(reasonOf(exit, said))
      if (unpacked._tag === "Failure") return yield* unpacked.failure
      yield* Tool.run("find", [
        fresh,
        "(",
        "-type",
        "b",
        "-o",
        "-type",
        "c",
        "-o",
        "-type",
        "p",
        "-o",
        "-type",
        "s",
        ")",
        "-delete"
      ])
      yield* Tool.run("find", [fresh, "-perm", "/6000", "-not", "-type", "l", "-exec", "chmod", "a-s", "{}", "+"])
      if (!(yield* Files.exists(`${fresh}/${name}`))) return yield* failed("the machine sent something else")
      yield* Files.rename(`${fresh}/${name}`, target)
    })
  )

const reasonOf = (exit: Exec.Exit, said: string) =>
  said.trim() === "" ? `it ended as ${exit._tag} inside the machine` : Text.printable(said)

const isName = (name: string): boolean => name !== "" && name !== "." && name !== ".."

const split = (path: string): readonly [folder: string, name: string] => {
  const plain = path.replace(/\/+$/, "")
  const at = plain.lastIndexOf("/")
  return [at < 0 ? "." : plain.slice(0, at) || "/", plain.slice(at + 1)]
}

const unpackInside = `set -e
target=$1 name=$2
case $target in */) mkdir -p -- "$target";; esac
[ ! -d "$target" ] || target=\${target%/}/$name
[ ! -d "$target" ] || { echo "$target is a folder already" >&2; exit 1; }
parent=$(dirname -- "$target")
mkdir -p -- "$parent"
fresh=$(mktemp -d -- "$parent/.redd.XXXXXX")
trap 'rm -rf -- "$fresh"' EXIT
tar -xf - -C "$fresh"
mv -f -- "$fresh/$name" "$target"`

const packInside = `[ -e "$1" ] || [ -L "$1" ] || { echo "there is no $1 in the machine" >&2; exit 1; }
exec tar -cf - -C "$(dirname -- "$1")" -- "$(basename -- "$1")"`
