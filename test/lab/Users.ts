/** Who else than root may have slices and players on a lab's host. */
import { type Host, fullSuite, lab, succeeds, withPackages } from "./Lab.ts"
import { userPackages } from "./setup.ts"

let userHost: Promise<Host> | undefined
/** A host of its own with a user `pi` (1000), who has a systemd that runs without a login. */
export const withUser = () => (userHost ??= makeUserHost())
const makeUserHost = async () => {
  const host = withPackages(fullSuite(), ...userPackages)
  // By a service: logind cannot tell who asks from outside of the lab's cgroups.
  const script = `useradd --create-home --uid 1000 pi; systemd-run --quiet --wait loginctl enable-linger pi
until [ -S /run/user/1000/bus ]; do sleep 0.1; done`
  await succeeds(host.run(["/bin/sh", "-c", script]))
  return host
}

/** A lab with a user `nobus` (1234), who has no systemd. */
export const withoutSystemd = async () => {
  const host = lab(fullSuite())
  await host.run(["useradd", "--create-home", "--uid", "1234", "nobus"])
  return host
}

/** Stands before a command that a user calls, with nothing of root's but these variables. */
export const asUser = (name: string, ...environment: ReadonlyArray<string>) => [
  "setpriv",
  `--reuid=${name}`,
  `--regid=${name}`,
  "--init-groups",
  "env",
  ...environment
]
