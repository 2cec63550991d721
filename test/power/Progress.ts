/** What the load in the VM says on the serial port of where it is, and what the runner reads of it. */

const phases = [
  "stage",
  "commit",
  "committed",
  "remove",
  "removed",
  "prepare",
  "ready",
  "run",
  "cleanup",
  "gone",
  "load"
] as const

/** What a worker is at: an image's maker, or a machine's user. `load`: all of them begin. */
export type Phase = (typeof phases)[number]

export interface Step {
  readonly worker: string
  readonly phase: Phase
  /** The image, or the machine's id. */
  readonly subject: string
}

export const line = ({ phase, subject, worker }: Step): string => `power: ${worker} ${phase} ${subject}`

/** Every step that was said, in order. What the kernel says in between is passed over. */
export const parse = (said: string): ReadonlyArray<Step> =>
  [...said.matchAll(/power: (\S+) (\S+) (\S+)\n/gm)].flatMap(([, worker = "", name, subject = ""]) => {
    const phase = phases.find((each) => each === name)
    return phase === undefined ? [] : [{ worker, phase, subject }]
  })

/** What each worker is at now. */
export const now = (steps: ReadonlyArray<Step>): ReadonlyArray<Step> => [
  ...new Map(steps.map((step) => [step.worker, step])).values()
]

/** How far each image and machine came. */
export const fates = (steps: ReadonlyArray<Step>): ReadonlyMap<string, Phase> =>
  new Map(steps.map((step) => [step.subject, step.phase]))

/** The parts of the image in the VM that the load makes its own images of. */
export const parts = ["etc", "usr/sbin", "usr/lib/systemd"]

/** Who made an image: a file in it, so that one is never taken for another. */
export const signature = "etc/power"

/** What was found after a boot. */
export interface Found {
  /** Each image, and how it differs from what was committed. */
  readonly images: ReadonlyArray<{ readonly name: string; readonly differs: ReadonlyArray<string> }>
  readonly list: { readonly code: number; readonly machines: number; readonly said: string }
  readonly gc: { readonly code: number; readonly released: number; readonly deleted: number; readonly said: string }
  /** What is left after gc, a line each. */
  readonly left: ReadonlyArray<string>
}
