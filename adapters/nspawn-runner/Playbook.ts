/** The playbooks of nspawn-runner's images, beside them and in /etc/nspawn-runner. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { parse } from "yaml"
import { Files } from "../../src/index.ts"
import { isSuite } from "../terminal/ImageMaking.ts"

/** The text of an image's playbook. The one beside the image goes first. */
export const find = (folder: string, image: string) =>
  Effect.gen(function* () {
    for (const place of [folder, "/etc/nspawn-runner"]) {
      const text = yield* Files.readText(`${place}/${image}.yaml`)
      if (Option.isSome(text)) return text
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
