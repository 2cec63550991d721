/** An image as a tarball, which the bootstrap `tarball` takes. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Files from "../host/Files.ts"
import * as Tool from "../host/Tool.ts"
import { Images } from "../image/Images.ts"

/** There is a file already where the tarball was to be. */
export class ExportExists extends Schema.TaggedError<ExportExists>()("ExportExists", { file: Schema.String }) {
  override get message(): string {
    return `There is a file ${this.file} already.`
  }
  get hint(): string {
    return "choose another name, or remove it"
  }
}

/**
 * Writes the current generation of an image into a tar archive, owners as numbers, with extended attributes and ACLs;
 * compressed as the file's name says (tar(1), --auto-compress). The file is there when it is whole.
 */
export const toTarball = (name: string, file: string) =>
  Effect.gen(function* () {
    const { generation } = yield* (yield* Images).get(name)
    if (yield* Files.exists(file)) return yield* new ExportExists({ file })
    // The suffix stays the last one: it says how to compress.
    const partial = file.replace(/([^/]*)$/, ".partial-$1")
    const args = [
      "--create",
      "--auto-compress",
      "--numeric-owner",
      "--xattrs",
      "--acls",
      "--one-file-system",
      // What a machine makes anew at each boot, and no archive of a tree should bring: device nodes, FIFOs, sockets.
      "--exclude=./dev/*",
      "--exclude=./run/*",
      `--file=${partial}`,
      `--directory=${generation}`,
      "."
    ]
    yield* Effect.onExit(Tool.run("tar", args), (exit) =>
      exit._tag === "Success" ? Effect.void : Effect.ignore(Files.remove(partial))
    )
    yield* Files.rename(partial, file)
  })
