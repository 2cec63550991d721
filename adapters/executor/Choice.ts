/** The image that a job's machine is made from. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Images, Reference, Text, Tree } from "../../src/index.ts"
import type { Configuration } from "../terminal/Configuration.ts"
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

/** What the command line says of images. */
export interface Flags {
  /** Outranks what the job says. */
  readonly image?: string | undefined
  /** For jobs that say nothing; else it is the configuration's. */
  readonly defaultImage: string | undefined
}

/**
 * Chooses the image. What a job wrote after `image:` must be allowed; what the administrator names is. With rules to
 * judge by, only GitLab's own word is judged, and a variable's refused.
 */
export const choose = (job: Job, flags: Flags, settings: Pick<Configuration, "defaultImage" | "gitlab">) =>
  Effect.gen(function* () {
    const { allowed, images } = settings.gitlab
    const reference = flags.image ?? job.image ?? flags.defaultImage ?? Option.getOrUndefined(settings.defaultImage)
    if (reference === undefined) return yield* new ImageUnnamed()
    if (flags.image === undefined && job.image !== undefined) {
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
