/**
 * The door: what waits inside a machine to run commands.
 *
 * The machine sees the door's folder, read-only, as /run/redd: a shell script that waits on a FIFO for the numbers of
 * runs, and a folder for each run. The machine can write to the FIFOs there and to nothing else of the host's. The door's
 * FIFO belongs to the machine's root alone, and so does each run's folder: no other user inside can have root start a
 * thing, or read a script.
 */
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as Fifo from "../host/Fifo.ts"
import * as Files from "../host/Files.ts"
import type * as Tool from "../host/Tool.ts"
import * as Tree from "../host/Tree.ts"
import { doorOf, folderOf, type MachineRecord } from "../record/MachineRecord.ts"

/** Makes the door's folder. */
export const make = (record: MachineRecord): Effect.Effect<void, Tool.ToolError | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const door = doorOf(record)
    yield* Files.makeFolder(door)
    yield* Files.create(`${door}/door`, doorScript, { mode: 0o755 })
    yield* Files.create(`${door}/unit`, doorUnit, { mode: 0o644 })
    yield* Files.makeFolder(spareOf(record), 0o700)
    yield* Fifo.make([fifoOf(record), ...spares(record, "0")])
    yield* Files.setMode(fifoOf(record), 0o600)
    yield* Files.give(fifoOf(record), record.range)
  })

/** Takes the door's folder away, with the folders of runs that were killed. */
export const unmake = (record: MachineRecord): Effect.Effect<void, Tree.TreeError> =>
  Effect.andThen(Tree.remove(spareOf(record)), Tree.remove(doorOf(record)))

/**
 * Puts the FIFOs of a run into its folder.
 *
 * They are made some runs ahead, where the machine does not see them: starting mkfifo(1) costs as much as the rest of a
 * run. Who finds too few makes more.
 */
export const giveFifos = (
  record: MachineRecord,
  run: string
): Effect.Effect<void, Tool.ToolError | PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const missing: Array<string> = runFifos.map((name) => `${doorOf(record)}/${run}/${name}`)
    for (const name of yield* Files.list(spareOf(record))) {
      const [first] = missing
      if (first === undefined) return
      if (yield* Files.take(`${spareOf(record)}/${name}`, first)) missing.shift()
    }
    if (missing.length === 0) return
    yield* Files.makeFolder(spareOf(record), 0o700)
    yield* Fifo.make([...missing, ...spares(record, run)])
  })

const runsAhead = 7
const spareOf = (record: MachineRecord) => `${folderOf(record)}/spare`
const spares = (record: MachineRecord, run: string): ReadonlyArray<string> =>
  Array.from({ length: runsAhead * runFifos.length }, (_, index) => `${spareOf(record)}/${run}-${index}`)

/** True once the machine accepts commands: the door's FIFO has a reader. */
export const isOpen = (record: MachineRecord): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Fifo.hasReader(fifoOf(record))

/** Has the door start a run; false while the door does not listen. */
export const knock = (record: MachineRecord, run: string): Effect.Effect<boolean, PlatformError.PlatformError> =>
  Fifo.tell(fifoOf(record), `${run}\n`)

const fifoOf = (record: MachineRecord) => `${doorOf(record)}/door.fifo`

/** What a run is, for `startScript`. Words are bytes: an argument need not be UTF-8. */
export interface Start {
  readonly run: string
  readonly command:
    | { readonly _tag: "Script"; readonly shell: string | undefined }
    | { readonly _tag: "Words"; readonly words: ReadonlyArray<Uint8Array>; readonly user: string | undefined }
  readonly environment: Readonly<Record<string, string>>
  readonly folder: string
  /** Standard input comes through the FIFO; else it is /dev/null. */
  readonly stdin: boolean
}

/** The FIFOs in a run's folder. */
export const runFifos = ["stdin", "stdout", "stderr", "status", "done"] as const

/**
 * The shell script that starts one run, and says how it ended.
 *
 * - It begins with the one line that redd has put into `done`: of two that were started for one number, one gets it.
 * - An empty line on `status` says that it has opened its FIFOs: closed before, their content would be lost.
 * - Its own standard error is `status`: of a command that a signal killed a POSIX shell says so there before the number,
 *   which tells that from an exit code above 128.
 * - `exec` in a subshell runs a file and never a builtin; `trap :` keeps this shell alive through a SIGTERM to all of the
 *   run, and is reset in the command.
 * - Afterwards it holds the FIFOs open for reading, so that what the run left in the background never meets EPIPE, and
 *   reads them empty once redd has let go of `done`.
 */
export const startScript = ({ command, environment, folder, run, stdin }: Start): Uint8Array => {
  const lines: Array<Uint8Array> = []
  const add = (...words: ReadonlyArray<string | Uint8Array>) => lines.push(...words.map(bytesOf), newline)
  add("trap : TERM INT HUP")
  add(`d=/run/redd/${run} s=0`)
  add("exec 7<$d/done && read -r go <&7 || exit 0")
  add(`exec <${stdin ? "$d/stdin" : "/dev/null"} >$d/stdout 8>$d/stderr 9>$d/status 2>&9`)
  add("echo >&9")
  add("HOME=/root USER=root LOGNAME=root")
  if (command._tag === "Script") {
    const shell = command.shell
    if (shell === undefined) add('set -- "$(command -v bash || command -v sh)" $d/script')
    else {
      add("set -- ", quote(shell), " $d/script")
      add('command -v -- "$1" >/dev/null || { echo "redd: there is no shell $1 in the machine" >&8; s=127; }')
    }
  } else {
    lines.push(bytesOf("set --"))
    for (const word of command.words) lines.push(bytesOf(" "), quote(word))
    lines.push(newline)
    add(`PATH=${plainPath}`)
    add('command -v -- "$1" >/dev/null || { echo "redd: there is no command $1 in the machine" >&8; s=127; }')
    if (command.user !== undefined) {
      add("user=", quote(command.user), " found=")
      add("while IFS=: read -r name _ uid gid _ home _; do")
      add('  case $user in "$name"|"$uid") found=1; break;; esac')
      add("done </etc/passwd")
      add('if [ -n "$found" ]; then')
      add("  HOME=$home USER=$name LOGNAME=$name")
      add('  set -- setpriv --reuid="$uid" --regid="$gid" --init-groups -- "$@"')
      add('else echo "redd: there is no user $user in the machine" >&8; s=126; fi')
    }
  }
  add(`PATH=${plainPath} LANG=C.UTF-8`)
  add("export HOME USER LOGNAME PATH LANG")
  for (const [name, value] of Object.entries(environment)) add(`export ${name}=`, quote(value))
  add("cd -- ", quote(folder), " 2>&8 || s=126")
  add("unset OLDPWD")
  add('[ $s != 0 ] || { (exec "$@") 7<&- 9>&- 2>&8 8>&-; s=$?; }')
  add("exec 5<>$d/stdout 6<>$d/stderr 3<$d/stdout 4<$d/stderr 5>&- 6>&- >/dev/null 8>&-")
  add("echo $s >&9")
  add("exec 2>/dev/null 9>&-")
  add("read -r s <&7")
  add("cat <&3 & exec cat <&4")
  return concat(lines)
}

const plainPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/**
 * Waits for the numbers of runs, and starts each in a cgroup of its own.
 *
 * The FIFO is opened for reading and writing: a reader alone would see the end between two writers, and lose the run that
 * is announced just then. It is opened first of all: what is announced from then on waits in it. `setsid -f` and not `&`: a
 * shell starts what it puts in the background with SIGINT ignored, for ever. The setsid of busybox has no -f, and an image
 * that has no other lives with that. A number may come twice, when a door was killed that had taken it: `start` begins once.
 */
const doorScript = `unset INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID MEMORY_PRESSURE_WATCH MEMORY_PRESSURE_WRITE NOTIFY_SOCKET
unset LISTEN_FDS LISTEN_PID LISTEN_FDNAMES container container_uuid container_host_id container_host_version_id TERM
d=/run/redd
exec 3<>$d/door.fifo
while IFS=: read -r id controllers path; do [ "$id$controllers" = 0 ] && break; done </proc/self/cgroup
cgroup=/sys/fs/cgroup\${path%/}
mkdir -p "$cgroup/door" && echo 0 >"$cgroup/door/cgroup.procs"
echo +memory >"$cgroup/cgroup.subtree_control"
exec 2>/dev/null
forks=; setsid -f true && forks=-f
start() { echo 0 >"$cgroup/$1/cgroup.procs"; exec setsid $forks /bin/sh $d/$1/start 3<&-; }
while read -r n <&3; do
  case $n in ''|*[!0-9]*) continue;; esac
  [ -d "$cgroup/$n" ] || mkdir "$cgroup/$n" || continue
  if [ -n "$forks" ]; then (start "$n"); else (start "$n") & fi
done
`

/**
 * The door where an init runs it. Killed inside, it comes back, however often (StartLimitIntervalSec=0), and its runs go
 * on (KillMode=process); one that runs out of memory does not take the others with it.
 */
const doorUnit = `[Unit]
Description=The door through which Redd runs commands
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/sh /run/redd/door
Delegate=yes
KillMode=process
OOMPolicy=continue
Restart=always
RestartSec=0
IgnoreSIGPIPE=no
TasksMax=infinity
`

const encoder = new TextEncoder()
const newline = encoder.encode("\n")
const bytesOf = (text: string | Uint8Array): Uint8Array => (typeof text === "string" ? encoder.encode(text) : text)

/** A word between single quotes, in which a shell changes nothing. */
const quote = (word: string | Uint8Array): Uint8Array => {
  const quoted: Array<number> = [0x27]
  for (const byte of bytesOf(word)) {
    if (byte === 0x27) quoted.push(0x27, 0x5c, 0x27, 0x27)
    else quoted.push(byte)
  }
  quoted.push(0x27)
  return Uint8Array.from(quoted)
}

const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const whole = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}
