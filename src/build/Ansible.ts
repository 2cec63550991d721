/**
 * Ansible playbooks against a machine, through its door.
 *
 * To Ansible the machine is a host that it reaches by ssh, and our ssh is a script that runs the command in the machine:
 * that needs no plugin, so bare ansible-core does (`ansible_ssh_executable`, `ansible_ssh_transfer_method: piped`). All of a
 * playbook runs against one machine, so what its tasks start and leave in /tmp lasts until the end.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Files from "../host/Files.ts"
import * as Text from "../host/Text.ts"
import * as Tool from "../host/Tool.ts"
import * as Exec from "../machine/Exec.ts"
import { folderOf, type MachineRecord } from "../record/MachineRecord.ts"

/** A playbook failed, or took too long. */
export class PlaybookFailed extends Schema.TaggedError<PlaybookFailed>()("PlaybookFailed", {
  playbook: Schema.String,
  reason: Schema.String,
  /** What it said last. */
  console: Schema.String
}) {
  override get message(): string {
    return `The playbook ${this.playbook} ${this.reason}.`
  }
  get hint(): string {
    return "the image is as it was; mend the playbook, and try with --check --diff"
  }
}

/** Ansible needs Python in the image, and it cannot be brought there. */
export class PythonMissing extends Schema.TaggedError<PythonMissing>()("PythonMissing", {
  image: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `Image "${this.image}" has no python3, which Ansible needs: ${this.reason}.`
  }
  get hint(): string {
    return "have the bootstrap include it"
  }
}

export type AnsibleError = PlaybookFailed | PythonMissing | Exec.ExecError

export interface Options {
  /** The command `redd`, absolute: what our ssh calls. */
  readonly program: string
  /** Change nothing, and say what would be changed. */
  readonly check?: boolean | undefined
  readonly diff?: boolean | undefined
  readonly tags?: ReadonlyArray<string> | undefined
  /** As `--extra-vars` takes them. */
  readonly extraVars?: ReadonlyArray<string> | undefined
  /** How long the playbook may take. */
  readonly timeout: Duration.Duration
  /** The caller's own ANSIBLE_ variables, HOME, proxy settings. */
  readonly environment: Readonly<Record<string, string>>
  /** Gets what Ansible says, as it comes. */
  readonly output: (text: string) => void
}

/** Whether anything was changed; None where Ansible's output does not say (another stdout callback). */
export type Changed = Option.Option<boolean>

/** Fails where Ansible is not installed: for who is about to spend minutes on what it shall work on. */
export const ensure: Effect.Effect<void, Tool.ToolMissing | PlatformError.PlatformError> =
  Tool.ensure("ansible-playbook")

/** Runs a playbook against a machine. The user's ansible.cfg, roles, collections and vault are found beside it. */
export const play = (record: MachineRecord, playbook: string, options: Options): Effect.Effect<Changed, AnsibleError> =>
  Effect.gen(function* () {
    const { installed, python } = yield* ensurePython(record, options)
    const become = Exec.exitCode((yield* ask(record, "command -v sudo")).exit) === 0 ? "sudo" : "su"
    const folder = `${folderOf(record)}/ansible`
    yield* Files.makeFolder(folder, 0o700)
    yield* Files.replace(`${folder}/ssh`, sshScript(record, options.program), 0o700)
    yield* Files.replace(`${folder}/inventory.json`, inventory(record, `${folder}/ssh`, { become, python }))
    let said = ""
    const keep = (text: string) => {
      said = (said + text).slice(-keptCharacters)
      options.output(text)
    }
    const lastLines = () => Text.printable(said).split("\n").slice(-20).join("\n")
    yield* Tool.run("ansible-playbook", playbookArguments(`${folder}/inventory.json`, playbook, options), {
      folder: playbook.slice(0, playbook.lastIndexOf("/")) || "/",
      environment: { ...options.environment, ANSIBLE_NOCOWS: "1" },
      output: keep,
      progress: keep
    }).pipe(
      Effect.timeoutOption(options.timeout),
      Effect.catchTag("ToolFailed", ({ code, signal }) =>
        Effect.fail(
          new PlaybookFailed({
            playbook,
            reason: code === null ? `was ended by ${signal}` : `failed (exit code ${code} of ansible-playbook)`,
            console: lastLines()
          })
        )
      ),
      Effect.flatMap((ended) =>
        Option.isSome(ended)
          ? Effect.void
          : Effect.fail(
              new PlaybookFailed({
                playbook,
                reason: `did not end within ${Duration.toSeconds(options.timeout)} s`,
                console: lastLines()
              })
            )
      )
    )
    return installed ? Option.some(true) : changed(said, hostOf(record))
  })

/** What the recap of a playbook's end says of a host (the default stdout callback). */
export const changed = (said: string, host: string): Changed => {
  const recap = Text.printable(said)
    .split("\n")
    .findLast((line) => line.startsWith(`${host} `) && /\bchanged=\d+/.test(line))
  return Option.map(Option.fromUndefinedOr(recap), (line) => !/\bchanged=0\b/.test(line))
}

/** The command line of ansible-playbook(1). */
export const playbookArguments = (
  inventoryFile: string,
  playbook: string,
  { check, diff, extraVars = [], tags = [] }: Pick<Options, "check" | "diff" | "extraVars" | "tags">
): ReadonlyArray<string> => [
  "--inventory",
  inventoryFile,
  ...(check === true ? ["--check"] : []),
  ...(diff === true ? ["--diff"] : []),
  ...(tags.length === 0 ? [] : ["--tags", tags.join(",")]),
  ...extraVars.flatMap((words) => ["--extra-vars", words]),
  playbook
]

/** To Ansible the machine is called as the image is. */
const hostOf = (record: Pick<MachineRecord, "image">): string => record.image

const inventory = (
  record: MachineRecord,
  ssh: string,
  { become, python }: { readonly become: string; readonly python: string }
): string =>
  JSON.stringify({
    all: {
      hosts: {
        [hostOf(record)]: {
          ansible_connection: "ssh",
          ansible_host: record.key,
          ansible_ssh_executable: ssh,
          ansible_ssh_args: "",
          ansible_ssh_transfer_method: "piped",
          ansible_pipelining: true,
          ansible_python_interpreter: python,
          ansible_become_method: become,
          ansible_remote_tmp: "/tmp/.ansible"
        }
      }
    }
  })

/** Of all that Ansible tells ssh, the last word is the command. */
const sshScript = ({ id, root }: MachineRecord, program: string): string => `#!/bin/sh
for word; do :; done
exec ${Tool.commandLine(program, ["exec", "--root", root, "--id", id, "--", "/bin/sh", "-c"])} "$word"
`

const ask = (record: MachineRecord, script: string, timeout = Duration.seconds(30)) =>
  Exec.collect(record, { _tag: "Words", words: ["/bin/sh", "-c", script] }, { mostBytes: keptCharacters, timeout })

/** How Python comes into an image, by the ID of its os-release(5). */
const installers: Readonly<Record<string, string>> = {
  debian: "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3",
  ubuntu: "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3",
  fedora: "dnf -y install python3",
  alpine: "apk add python3",
  arch: "pacman -Sy --noconfirm python"
}

const ensurePython = (record: MachineRecord, options: Options) =>
  Effect.gen(function* () {
    // The whole of it: Debian's python3-minimal lacks modules that Ansible's own need.
    const find = "command -v python3 && python3 -c 'import shutil, json, zipfile' 2>/dev/null"
    const found = yield* ask(record, find)
    if (Exec.exitCode(found.exit) === 0) return { python: found.stdout.trim(), installed: false }
    const release = yield* ask(record, ". /etc/os-release 2>/dev/null || . /usr/lib/os-release; echo $ID")
    const id = release.stdout.trim()
    const missing = (reason: string) => new PythonMissing({ image: record.image, reason })
    const installer = Object.hasOwn(installers, id) ? installers[id] : undefined
    if (installer === undefined) return yield* missing(`how "${Text.brief(id)}" installs it is not known`)
    if (options.check === true) return yield* missing("and --check installs nothing")
    options.output(`redd: installing python3 into ${record.image}\n`)
    const outcome = yield* ask(record, installer, Duration.minutes(10))
    const again = yield* ask(record, find)
    if (Exec.exitCode(again.exit) === 0) return { python: again.stdout.trim(), installed: true }
    return yield* missing(Text.printable(outcome.stderr).split("\n").at(-1) ?? "its installation failed")
  })

const keptCharacters = 65_536
