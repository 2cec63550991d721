/** The image that a job's machine is made from. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Images, Reference, Text, Tree } from "../../src/index.ts"
import type { Gitlab } from "../terminal/Configuration.ts"
import type { Job } from "./Job.ts"

/** The administrator allows jobs other images than this one. */
export class ImageRefused extends Schema.TaggedError<ImageRefused>()("ImageRefused", {
  image: Schema.String,
  allowed: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `This runner does not allow the image "${Text.brief(this.image)}".`
  }
  get hint(): string {
    return this.allowed.length === 0 ? "it allows none: leave image: out" : `it allows ${this.allowed.join(", ")}`
  }
}

/** Nobody said which image. */
export class ImageUnnamed extends Schema.TaggedError<ImageUnnamed>()("ImageUnnamed", {}) {
  override get message(): string {
    return "The job names no image, and this runner has no default image."
  }
  get hint(): string {
    return "write image: into .gitlab-ci.yml, or have the runner's config.toml give --default-image"
  }
}

/** What an image is called where nobody reads a job's file: by the command line or the configuration. */
export interface Fallback {
  /** Outranks what the job says. */
  readonly explicit?: string | undefined
  readonly byDefault: string | undefined
}

/**
 * Chooses the image. What a job wrote after `image:` must be allowed; what the administrator names is. With rules to
 * judge by, only GitLab's own word is judged, and a variable's refused.
 */
export const choose = (job: Job, fallback: Fallback, { allowed, images }: Pick<Gitlab, "allowed" | "images">) =>
  Effect.gen(function* () {
    const wanted = fallback.explicit ?? job.image
    const reference = wanted ?? fallback.byDefault
    if (reference === undefined) return yield* new ImageUnnamed()
    if (fallback.explicit === undefined && job.image !== undefined) {
      const isFree = allowed.includes("*")
      if (!isFree && !(job.isTrusted && Reference.matchesAny(job.image, allowed)))
        return yield* new ImageRefused({ image: job.image, allowed })
    }
    const all = yield* Images.Images
    const existing = (yield* all.list).map(({ name }) => name)
    const name = Reference.choose(reference, { map: images, existing })
    return { reference, image: yield* all.get(Option.getOrElse(name, () => reference)) }
  })

/** Which of these shells and tools an image has, by the places where Debian and others put them. */
export const has = (image: Images.Image, tool: string) =>
  Effect.map(
    Effect.forEach(["usr/bin", "bin", "usr/local/bin"], (folder) =>
      Tree.resolve(image.generation, `${folder}/${tool}`)
    ),
    (found) => found.some(Option.isSome)
  )
