/** Sizes, processors and durations as people write them, in configuration and on command lines. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** A size as systemd writes it (systemd.resource-control(5)): `512M`, `4G`, base 1024, in bytes. */
export const size = (text: string): Option.Option<number> => {
  const found = /^(\d+(?:\.\d+)?)([KMGT]?)$/i.exec(text.trim())
  if (found === null) return Option.none()
  const power = ["", "K", "M", "G", "T"].indexOf((found[2] ?? "").toUpperCase())
  const bytes = Math.round(Number(found[1]) * 1024 ** power)
  return bytes > 0 && Number.isSafeInteger(bytes) ? Option.some(bytes) : Option.none()
}

/** A duration: `90s`, `5m`, `1h30m`, `250ms`; a bare number is seconds. */
export const duration = (text: string): Option.Option<Duration.Duration> => {
  const trimmed = text.trim()
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Option.some(Duration.seconds(Number(trimmed)))
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(trimmed)) return Option.none()
  let totalMs = 0
  for (const [, amount, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
    totalMs += Number(amount) * (unitsMs[unit ?? ""] ?? 0)
  return Option.some(Duration.millis(totalMs))
}

/** A size for a person: `1.5G`. */
export const formatSize = (bytes: number): string => {
  const power = Math.min(4, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)))
  return `${Number((bytes / 1024 ** power).toFixed(1))}${["", "K", "M", "G", "T"][power]}`
}

/** How long ago something was, for a person: `3 hours`. */
export const formatAge = (ms: number): string => {
  const minutes = Math.max(0, Math.round(ms / 60_000))
  const [count, unit] =
    minutes < 120
      ? [minutes, "minute"]
      : minutes < 48 * 60
        ? [Math.round(minutes / 60), "hour"]
        : [Math.round(minutes / 1440), "day"]
  return `${count} ${unit}${count === 1 ? "" : "s"}`
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
