/** What mmdebstrap(1) and debootstrap(8) can both be told. */

export interface Debian {
  readonly suite: string
  /** The tool's own; `minbase` when absent. */
  readonly variant?: string | undefined
  /** Packages beyond the smallest system that boots. */
  readonly include?: ReadonlyArray<string> | undefined
  readonly components?: ReadonlyArray<string> | undefined
  /** Where from; the tool's own choice when absent. */
  readonly mirror?: string | undefined
}

/** Their arguments, with what turns a minimal Debian into one that boots. */
export const debianArguments = (
  { components, include = [], mirror, suite, variant = "minbase" }: Debian,
  tree: string,
  more: ReadonlyArray<string> = []
): ReadonlyArray<string> => [
  `--variant=${variant}`,
  `--include=${["systemd", "systemd-sysv", "dbus", ...include].join(",")}`,
  ...(components === undefined ? [] : [`--components=${components.join(",")}`]),
  ...more,
  suite,
  tree,
  ...(mirror === undefined ? [] : [mirror])
]
