/** What the figures must show: each a ratio with a bound. */
import type { Figure, Section } from "./Figures.ts"

export interface Show {
  readonly text: string
  readonly ratio: number
  readonly bound: number
  readonly holds: boolean
}

/** Those whose figures are there. */
export const shows = (sections: ReadonlyArray<Section>): ReadonlyArray<Show> => {
  const figures = new Map(
    sections.flatMap((section) => section.figures.map((each): [string, Figure] => [each.name, each]))
  )
  const median = (name: string) => figures.get(name)?.median ?? Number.NaN
  const door = median("SDK exec true")
  return [
    ...show(
      "redd prepare against the raw commands, their image unsettled",
      median("redd prepare") / median("raw prepare, image unsettled"),
      0.85
    ),
    ...show(
      "the SDK's exec of true against systemd-run --machine --pipe --wait true",
      door / median("systemd-run --machine --pipe --wait true"),
      0.3
    ),
    ...show(
      "redd run of a trivial script, the door aside, against node -e 0",
      (median("redd run, a trivial script") - door) / median("node -e 0"),
      2.5
    ),
    ...show(
      "a trivial stage of a GitLab job against redd run",
      median("redd gitlab run, a trivial stage") / median("redd run, a trivial script"),
      1.1
    ),
    ...show(
      "cleanup, Node's start aside, against machinectl terminate until gone and delete",
      median("SDK release") / median("raw cleanup"),
      0.8
    ),
    ...["btrfs", "overlay"].flatMap((backend) =>
      show(
        `cloning 8 GB against 0.25 GB, ${backend}`,
        median(`${backend}: clone 8 GB`) / median(`${backend}: clone 0.25 GB`),
        1.2
      )
    ),
    ...["btrfs", "overlay"].flatMap((place) =>
      show(`redd image rollback, in seconds, ${place}`, median(`${place}: redd image rollback`) / 1000, 0.5)
    ),
    ...[20, 60].flatMap((size) =>
      show(`${size} prepares at once: those that failed`, size - median(`${size} prepares at once: ready`), 0)
    )
  ]
}

/** None where a figure of it was not measured. */
const show = (text: string, ratio: number, bound: number): ReadonlyArray<Show> =>
  Number.isNaN(ratio) ? [] : [{ text, ratio, bound, holds: ratio <= bound }]
