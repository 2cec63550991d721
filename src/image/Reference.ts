/**
 * Which image is meant by a name as container registries write it: `trixie`, `debian:trixie`,
 * `registry.example.com:5000/group/debian:trixie@sha256:…`.
 *
 * What is there decides: a name never becomes a path, and nothing is fetched from anywhere.
 */
import * as Option from "effect/Option"

/**
 * The image that a reference means.
 *
 * 1. What the map has for it: the reference itself as a key, else the first key that matches it as a glob. Whether that
 *    image exists is not asked: who wrote the map shall hear that it does not.
 * 2. Of the images that exist, the first of: the reference as it stands; `NAME-TAG`; `TAG`; `NAME`, the last component of
 *    its path. A digest is not looked at.
 */
export const choose = (
  reference: string,
  options: { readonly map: Readonly<Record<string, string>>; readonly existing: ReadonlyArray<string> }
): Option.Option<string> => {
  const mapped = Object.keys(options.map).find((glob) => glob === reference) ?? globFor(reference, options.map)
  if (mapped !== undefined) return Option.fromUndefinedOr(options.map[mapped])
  return Option.fromUndefinedOr(candidates(reference).find((name) => options.existing.includes(name)))
}

/** The names that an image may have to be meant by a reference, best first. */
export const candidates = (reference: string): ReadonlyArray<string> => {
  const [undigested = ""] = reference.split("@")
  const last = undigested.slice(undigested.lastIndexOf("/") + 1)
  const colon = last.indexOf(":")
  const name = colon < 0 ? last : last.slice(0, colon)
  const tag = colon < 0 ? "" : last.slice(colon + 1)
  return [...new Set([reference, ...(tag === "" ? [] : [`${name}-${tag}`, tag]), name])]
}

/** True where one of the globs matches all of a reference: `*` stands for any characters, slashes too, `?` for one. */
export const matchesAny = (reference: string, globs: ReadonlyArray<string>): boolean =>
  globs.some((glob) => matches(reference, glob))

const globFor = (reference: string, map: Readonly<Record<string, string>>) =>
  Object.keys(map).find((glob) => matches(reference, glob))

/** By hand and not as a regular expression: `*a*a*a*a*b` must not take for ever. */
const matches = (text: string, glob: string): boolean => {
  let at = 0
  let star = -1
  let retry = 0
  let index = 0
  while (index < text.length) {
    if (glob[at] === "*") {
      star = at++
      retry = index
    } else if (at < glob.length && (glob[at] === "?" || glob[at] === text[index])) {
      at++
      index++
    } else if (star >= 0) {
      at = star + 1
      index = ++retry
    } else return false
  }
  while (glob[at] === "*") at++
  return at === glob.length
}
