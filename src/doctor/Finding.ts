/** What a check says. */

export interface Finding {
  /** `failed`: prepare would fail. `warning`: it works, and could be better. */
  readonly status: "ok" | "warning" | "failed"
  readonly check: string
  readonly message: string
  /** The command that mends it, or nothing. */
  readonly remedy: string
  /** What `mend` can do about it safely. */
  readonly mend?: Mend
}

/** Something that is safe to do on any host, and undone by nobody's loss. */
export type Mend =
  /** A parameter of the kernel gets a larger value, now and for later boots. */
  | { readonly _tag: "Raise"; readonly parameter: string; readonly value: number }
  /** cgroup v2 is mounted at a path, where it is mounted nowhere. */
  | { readonly _tag: "MountCgroups"; readonly path: string }
  /** Machines that died are released. Whoever composes the life cycle does it: `Machine.collect`. */
  | { readonly _tag: "Collect" }

export const ok = (check: string, message: string): Finding => ({ status: "ok", check, message, remedy: "" })

export const warning = (check: string, message: string, remedy = "", mend?: Mend): Finding =>
  bad("warning", check, message, remedy, mend)

export const failed = (check: string, message: string, remedy = "", mend?: Mend): Finding =>
  bad("failed", check, message, remedy, mend)

const bad = (status: Finding["status"], check: string, message: string, remedy: string, mend: Mend | undefined) => ({
  status,
  check,
  message,
  remedy,
  ...(mend === undefined ? {} : { mend })
})
