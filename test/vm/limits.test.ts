/** Limits, on a host that has the controllers: they hold, and out of memory is told apart from every other end. */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { runInVm } from "./Vm.ts"

const script = `
ask() { echo "$1"; redd run --id m --shell sh --json - 2>&1; echo "= $?"; }
redd prepare --id m --image trixie --memory 150M --cpus 1 --tasks 100
echo "limits: $(cat /sys/fs/cgroup/machine.slice/redd-m-*.service/memory.max /sys/fs/cgroup/machine.slice/redd-m-*.service/cpu.max /sys/fs/cgroup/machine.slice/redd-m-*.service/pids.max | tr '\\n' ' ')"
echo 'exec tail /dev/zero' | ask itself
echo 'tail /dev/zero; exit 5' | ask child
echo 'echo lives on' | ask after
echo 'for i in $(seq 200); do sleep 3 & done' | ask forks
echo 'exit 0' | ask again
echo 'mkfifo /tmp/never; exec 3<>/tmp/never; bomb() { bomb | bomb & }; bomb 2>/dev/null; read -r word <&3' >/run/bomb
redd run --id m --shell bash --json /run/bomb >/run/bombed 2>&1 & bomb=$!
until [ "$(cat /sys/fs/cgroup/machine.slice/redd-m-*.service/pids.current)" -ge 100 ]; do sleep 0.1; done
kill -TERM $bomb; wait $bomb; echo "bomb: $? $(cat /run/bombed)"
echo 'echo nothing left of it' | ask defused
(sleep 1; date --set '+10 days'; sleep 1; date --set '-20 days') >/dev/null &
echo 'sleep 4; exit 3' | ask clock
redd once --image trixie --timeout 60s -- sh -c 'exit 6'; echo "once: $?"
stage() {
  REDD_GITLAB_ID=job CUSTOM_ENV_CI_JOB_ID=1 CUSTOM_ENV_REDD_MEMORY=150M BUILD_EXIT_CODE_FILE=/run/code redd gitlab "$@" 2>&1
  echo "= $?"
}
echo 'tail /dev/zero; exit 9' >/run/script
echo gitlab; stage prepare --default-image trixie
echo stage; stage run /run/script build_script
echo "code: $(cat /run/code)"
stage cleanup
redd cleanup --id m; echo "cleanup: $?"
play() { echo "$1"; shift; redd player start --foreground "$@" 2>&1; echo "= $?"; }
play player p --memory 50M --restart never -- sh -c 'exec tail /dev/zero'
play launcher p --memory 50M --restart never -- sh -c 'tail /dev/zero; exit 5'
play swarm p --tasks 20 --restart never -- sh -c 'for i in $(seq 50); do sleep 3 & done'
echo "left: $(find /var/lib/redd/machines /var/lib/redd/records /run/redd/ranges /sys/fs/cgroup/machine.slice -mindepth 1 -type d -o -mindepth 1 -path '/var/lib/*' -type f | wc -l) $(grep -c /var/lib/redd/machines /proc/self/mountinfo)"
`

describe("limits", () => {
  let said = ""
  beforeAll(async () => {
    said = await runInVm(script)
  })
  /** What stands between a heading and the exit code. */
  const answer = (heading: string): string =>
    new RegExp(`^${heading}\n([^]*?^= \\d+)$`, "m").exec(said)?.[1] ?? `nothing in:\n${said}`

  it("are the machine's cgroup's", () => assert.include(said, `limits: ${150 * 2 ** 20} 100000 100000 100 \n`))
  it("a command that is killed for want of memory ends as out of memory, with 137", () => {
    assert.include(answer("itself"), '{"id":"m","ended":"out-of-memory","code":137,"exitCode":137}\n= 137')
  })
  it("one whose child is killed keeps its own code, and is said to be out of memory", () => {
    assert.include(answer("child"), '{"id":"m","ended":"out-of-memory","code":5,"exitCode":5}\n= 5')
  })
  it("the machine lives on, and the next run is not blamed", () => {
    assert.include(answer("after"), 'lives on\n{"id":"m","ended":"exited","code":0,"exitCode":0}\n= 0')
  })
  it("a run that forks too much is bounded, and the machine takes the next one once it has ended", () => {
    assert.match(answer("forks"), /Cannot fork\n[^]*= 2$/)
    assert.match(answer("again"), /= 0$/)
  })
  it("a fork bomb is bounded, cancelled and gone", () => {
    assert.include(said, 'bomb: 143 {"id":"m","ended":"cancelled"')
    assert.match(answer("defused"), /^nothing left of it\n[^]*= 0$/)
  })
  it("a job of GitLab's has what it asked for, and is told when that was not enough", () => {
    assert.match(answer("gitlab"), /; memory 150M;[^]*= 0$/)
    assert.match(answer("stage"), /ran out of memory[^]*REDD_MEMORY[^]*= 1$/)
    assert.include(said, "code: 9\n")
  })
  it("a player has them, and is told when it ran out of memory", () => {
    assert.match(
      answer("player"),
      /it was killed by signal 9, out of memory \(the kernel killed processes of it\)\n= 137$/
    )
    // A systemd stops the rest of a scope in which a process was killed for that (OOMPolicy, systemd.scope(5)).
    assert.match(answer("launcher"), /it (ended with exit code 5|was killed by signal 15), out of memory /)
    assert.match(answer("swarm"), /Cannot fork[^]*= 2$/)
  })
  it("a clock that jumps forwards and back is no matter", () => {
    assert.match(answer("clock"), /= 3$/)
    assert.include(said, "once: 6\n")
  })
  it("nothing is left", () => {
    assert.include(said, "cleanup: 0\n")
    assert.match(said, /^left: 0 0$/m)
  })
})
