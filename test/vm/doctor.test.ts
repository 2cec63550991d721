/** Limits of the kernel that really run out, and are really raised: a lab shares them with the machine that it is on. */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { runInVm } from "./Vm.ts"

const script = `
limit=/proc/sys/fs/inotify/max_user_instances
doctor() { redd doctor --machines 40 "$@" 2>&1; echo "= $?"; }
prepare() { redd prepare --id m --image trixie "$@" 2>&1; echo "= $?"; }
without() { old=$(cat $2); echo $3 >$2; echo "$1"; prepare --boot none; echo $old >$2; }
echo; echo stock; doctor
without keyrings /proc/sys/kernel/keys/root_maxkeys $(($(sed -n 's/^ *0: *[0-9]* *[^ ]* *\\([0-9]*\\).*/\\1/p' /proc/key-users) + 1))
without ptys /proc/sys/kernel/pty/max 1024
without namespaces /proc/sys/user/max_user_namespaces 0
# As many as the host itself has taken: the next machine gets none.
find /proc/[0-9]*/fd -lname anon_inode:inotify 2>/dev/null | wc -l >$limit
echo exhausted; prepare
echo found; doctor
echo fixed; doctor --fix
echo kept; cat $limit /etc/sysctl.d/60-redd.conf; echo "= $?"
echo again; doctor --fix
echo lives; prepare --boot-timeout 300s
redd cleanup --id m; echo "cleanup: $?"
`

describe("a host whose limits have run out", () => {
  let said = ""
  beforeAll(async () => {
    said = await runInVm(script)
  })
  /** What stands between a heading and the exit code. */
  const answer = (heading: string): string =>
    new RegExp(`^${heading}\n([^]*?^= \\d+)$`, "m").exec(said)?.[1] ?? `nothing in:\n${said}`

  it("is warned before, on a stock kernel", () => {
    assert.match(
      answer("stock"),
      /^warning {2}inotify: 128 inotify instances are enough for about 12 machines, not for 40/m
    )
    assert.match(answer("stock"), /^ok {7}controllers: /m)
    assert.match(answer("stock"), /= 0$/)
  })
  it.each(["keyrings", "ptys", "namespaces"])("hears of %s from a prepare that fails, with the remedy", (limit) => {
    assert.match(answer(limit), new RegExp(`^redd: .* ${limit}: `, "m"))
    assert.match(
      answer(limit),
      /^hint: sysctl -w (kernel\.keys\.root_maxkeys|kernel\.pty\.max|user\.max_user_namespaces)=\d+/m
    )
    assert.match(answer(limit), /= 125$/)
  })
  it("hears of inotify from a prepare that fails, with the remedy, and systemd's own words below", () => {
    assert.match(
      answer("exhausted"),
      /^redd: Machine "m" did not start: .* inotify: all \d+ inotify instances of root are in use/m
    )
    assert.match(answer("exhausted"), /^hint: sysctl -w fs\.inotify\.max_user_instances=8192/m)
    assert.match(answer("exhausted"), /^ {2}\| .*Too many open files/m)
    assert.match(answer("exhausted"), /= 125$/)
  })
  it("is told so by doctor, whose exit code is that of a prepare", () => {
    assert.match(answer("found"), /^failed {3}inotify: [^]*= 125$/m)
  })
  it("is mended by --fix, for now and for later boots; a second time there is nothing to do", () => {
    assert.include(answer("fixed"), "raised fs.inotify.max_user_instances to 8192")
    assert.match(answer("fixed"), /= 0$/)
    assert.strictEqual(answer("kept"), "8192\nfs.inotify.max_user_instances = 8192\n= 0")
    assert.include(answer("again"), "there is nothing that --fix can mend")
  })
  it("makes machines again", () => {
    assert.match(answer("lives"), /is ready after[^]*= 0$/)
    assert.include(said, "cleanup: 0\n")
  })
})
