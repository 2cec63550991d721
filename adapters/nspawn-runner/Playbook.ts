/** The playbooks of nspawn-runner's images: in /etc/nspawn-runner, and beside them. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { parse } from "yaml"
import { Files } from "../../src/index.ts"
import { isSuite } from "../terminal/ImageMaking.ts"

/** Where playbooks are; the first that has one goes. */
const places = (folder: string): ReadonlyArray<string> => ["/etc/nspawn-runner", folder]
const extensions = ["yaml", "yml"]

/** The images that have one. */
export const names = (folder: string) =>
  Effect.map(Effect.forEach(places(folder), Files.list), (all) =>
    all.flat().flatMap((file) => /^([A-Za-z0-9][A-Za-z0-9._-]*)\.ya?ml$/.exec(file)?.[1] ?? [])
  )

/** The text of an image's playbook. */
export const find = (folder: string, image: string) =>
  Effect.gen(function* () {
    for (const place of places(folder)) {
      for (const extension of extensions) {
        const text = yield* Files.readText(`${place}/${image}.${extension}`)
        if (Option.isSome(text)) return text
      }
    }
    return Option.none<string>()
  })

/** The suite that a playbook's first play names in `nspawn_runner_chroot_suite`. */
export const suiteOf = (folder: string, image: string) =>
  Effect.map(find(folder, image), (text) =>
    text.pipe(
      Option.flatMap(Option.liftThrowable((found: string): unknown => parse(found))),
      Option.flatMap(Schema.decodeUnknownOption(Plays)),
      Option.flatMap((plays) => Option.fromUndefinedOr(plays[0]?.vars?.nspawn_runner_chroot_suite)),
      Option.filter(isSuite)
    )
  )

const Plays = Schema.Array(
  Schema.Struct({
    vars: Schema.optional(Schema.Struct({ nspawn_runner_chroot_suite: Schema.optional(Schema.String) }))
  })
)
