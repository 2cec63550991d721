/** What tests of maintained images say: definitions beside a state folder, generations, and a hash over a whole tree. */
import { assert } from "@effect/vitest"
import { type Disk, type Host, type Outcome, type State, state, succeeds } from "./Lab.ts"

export interface Maintained {
  readonly here: State
  /** The folder of the definitions. */
  readonly folder: string
  redd(...args: ReadonlyArray<string>): Promise<Outcome>
  /** Writes a file beside the definitions, or one of them. */
  write(name: string, text: string): Promise<Outcome>
  generations(
    image: string
  ): Promise<ReadonlyArray<{ generation: string; current: boolean; users: ReadonlyArray<string> }>>
  /** The current generation, and a hash of all that is in it: contents, kinds, modes, owners, sizes, times, links. */
  stateOf(image: string): Promise<readonly [generation: string, hash: string]>
  /** What a job on the image finds in /srv/word. */
  word(image: string): Promise<string>
  /** A shell script on the host, whose "$0" is the state folder. */
  sh(script: string): Promise<string>
}

export const maintained = async (
  host: Host,
  disk: Disk,
  options: { readonly size?: string } = {}
): Promise<Maintained> => {
  const here = state(host, disk)
  const folder = `${here.root}-definitions`
  const environment = { REDD_CONFIG: `${folder}.yaml` }
  const redd = (...args: ReadonlyArray<string>) => here.reddWith({ environment }, ...args)
  const put = (path: string, text: string) => succeeds(host.run(["/bin/sh", "-c", 'cat >"$0"', path], { input: text }))
  const sh = async (script: string) => (await succeeds(host.run(["/bin/sh", "-ec", script, here.root]))).stdout
  const generations: Maintained["generations"] = async (image) =>
    JSON.parse((await succeeds(redd("image", "history", image, "--json"))).stdout)
  await succeeds(host.run(["mkdir", "-p", folder]))
  await put(`${folder}.yaml`, `images: ${folder}\nlimits: { reserve: 16M }\n`)
  if (options.size !== undefined) await sh(smallDisk(disk, options.size))
  return {
    here,
    folder,
    redd,
    sh,
    generations,
    write: (name, text) => put(`${folder}/${name}`, text),
    stateOf: async (image) => {
      const current = (await generations(image)).find((each) => each.current)?.generation
      assert.isDefined(current)
      return [current ?? "", await sh(`cd "$0/images/${image}/"; ${hash}`)]
    },
    word: async (image) =>
      (await succeeds(redd("once", "--image", image, "--boot", "none", "--", "cat", "/srv/word"))).stdout
  }
}

const hash =
  "{ find . -printf '%p %y %m %U %G %s %l %T@\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum; } | sha256sum"

/** A file system of the state folder's own, with the image `python`: one that a test can fill. */
const smallDisk = (disk: Disk, size: string): string => `
truncate --size=${size} "$0.img"
mkfs.${disk === "btrfs" ? "btrfs" : "ext4"} -q "$0.img"
mount -o loop "$0.img" "$0"
mkdir "$0/images"
${disk === "btrfs" ? 'btrfs -q subvolume create "$0/images/python"' : 'mkdir "$0/images/python"'}
cp -a "$0/../images/python/." "$0/images/python/"
`

/** Of one task and more, without an init: the machine of it is there at once. */
export const simple = (text: string, more = ""): string => `- hosts: all
  gather_facts: false
  vars: { redd: { bootstrap: { clone: python }, keep: 2, boot: none } }
  tasks:
    - ansible.builtin.copy: { dest: /srv/word, content: "${text}" }
${more}`
