/**
 * What a job may try in order to reach the host, as root in its machine. isolation.test.ts tries each of these, and
 * docs/concepts/isolation.md has each as a row of its table: a unit test holds the two together.
 */

export interface Attempt {
  /** What is tried, as the table names it. */
  readonly tried: string
  /** What holds, as the table says it. */
  readonly held: string
  /** Run by bash as root in the machine; 0 means that it reached what it went for. */
  readonly script: string
  /** How the refusal reads: a tool that is missing must not pass for one. */
  readonly refused: RegExp
  /** Run on the host while the machine is there, with the machine's tree as $1; 0 means that the host was reached. */
  readonly host?: string
  /**
   * With `--isolation none`, where root is the host's root: `holds` under both engines, `reaches`, `managed` where
   * DevicePolicy= of the service manager alone holds, or `depends` on what the host's root may do itself.
   */
  readonly none: "holds" | "reaches" | "managed" | "depends"
}

const denied = /not permitted|[Pp]ermission denied|Read-only file system/

/** A system call by its number on x86_64, with arguments that do no harm where it is allowed. */
const call = (name: string, number: number, none: Attempt["none"] = "holds"): Attempt => ({
  tried: `\`${name}(2)\``,
  held: "the seccomp filter, or the lack of the capability on the host",
  // EPERM and ENOSYS are refusals; whatever else the call says, it was let through.
  script: `perl -e '$r = syscall(${number}, 0, 0, 0, 0, 0); $e = $! + 0; print "$!\\n"; exit($r == -1 && ($e == 1 || $e == 38) ? 1 : 0)'`,
  refused: /not permitted|not implemented/,
  none
})

/** The first disk of the host that /proc/partitions shows: $2 and $3 are its numbers, $5 its name. */
const disk = "set -- x $(sed -n 3p /proc/partitions)"

export const attempts: ReadonlyArray<Attempt> = [
  {
    tried: "make the device node of a disk, and read it",
    held: "no device can be made in a user namespace (`mknod(2)`); `DevicePolicy=closed`",
    script: `${disk}; rm -f /root/disk; mknod /root/disk b $2 $3 && head -c 1 /root/disk >/dev/null`,
    refused: denied,
    none: "managed"
  },
  {
    tried: "make the node of `/dev/mem`, `/dev/kmsg`, a loop device",
    held: "as above",
    script:
      "for node in 'c 1 1' 'c 1 11' 'b 7 0'; do rm -f /root/node; mknod /root/node $node && head -c 1 /root/node >/dev/null && exit; done; exit 1",
    refused: denied,
    none: "managed"
  },
  {
    tried: "mount `devtmpfs`, and read a disk",
    held: "it is not mounted in a user namespace; `DevicePolicy=closed`",
    script: `${disk}; mkdir -p /mnt/dev; mount -t devtmpfs none /mnt/dev && head -c 1 /mnt/dev/$5 >/dev/null`,
    refused: denied,
    none: "managed"
  },
  {
    tried: "mount a tmpfs, an overlay, a bind",
    held: "a mount namespace: they are the machine's own, and end with it",
    script:
      "mkdir -p /mnt/own; mount -t tmpfs redd-attempt /mnt/own && mkdir /mnt/own/{upper,work,on,bind} && mount -t overlay redd-attempt -o lowerdir=/mnt/own/bind,upperdir=/mnt/own/upper,workdir=/mnt/own/work /mnt/own/on && mount --bind /root /mnt/own/bind && echo its own; exit 1",
    refused: /its own/,
    host: "grep -q redd-attempt /proc/self/mountinfo",
    none: "holds"
  },
  {
    tried: "mount proc(5) anew, to write its sysctls",
    held: "the kernel gives a user namespace no fresh view of what is hidden from it",
    script:
      "mkdir -p /mnt/proc; mount -t proc none /mnt/proc && f=/mnt/proc/sys/kernel/core_pattern && cat $f | tee $f >/dev/null",
    refused: denied,
    none: "reaches"
  },
  {
    tried: "mount sysfs(5) anew, to write to it",
    held: "as above",
    script:
      "mkdir -p /mnt/sys; mount -t sysfs none /mnt/sys && f=/mnt/sys/kernel/rcu_expedited && cat $f | tee $f >/dev/null",
    refused: denied,
    none: "reaches"
  },
  {
    tried: "`/proc/1/root`, `nsenter --target 1`",
    held: "a PID namespace: number 1 is the machine's own init",
    script: "nsenter --target 1 --mount --net --ipc --uts ls $host || ls /proc/1/root$host",
    refused: /No such file|denied/,
    none: "holds"
  },
  {
    tried: "escape from a chroot",
    held: "the root is one of a mount namespace (`pivot_root(2)`): there is nothing above it",
    script:
      'mkdir -p /root/jail; perl -e \'chdir "/"; chroot "/root/jail"; chdir ".." for 1..99; chroot "."; exec "/bin/ls", @ARGV\' $host',
    refused: /No such file/,
    none: "holds"
  },
  {
    tried: "open the host's files by their handles (`open_by_handle_at(2)`)",
    held: "the seccomp filter, or the lack of the capability on the host",
    script: `perl -e '$h = pack("II", 128, 0) . "\\0" x 128; $m = pack("I", 0);
      $p = "/etc\\0"; syscall(303, -100, $p, $h, $m, 0) == 0 or die "$!\\n"; open $d, "<", "/usr" or die; opendir $o, "/" or die;
      $r = syscall(304, fileno($d), $h, 0); print "$!\\n"; exit($r == -1 ? 1 : 0)'`,
    refused: denied,
    none: "holds"
  },
  {
    tried: "write to `/proc/sys` (`core_pattern`, `vm`, `fs`) as it is",
    held: "read-only, and the host's root alone may write",
    script:
      "for f in kernel/core_pattern vm/swappiness fs/file-max; do cat /proc/sys/$f | tee /proc/sys/$f >/dev/null && exit; done; exit 1",
    refused: denied,
    none: "holds"
  },
  {
    tried: "write to `/proc/sysrq-trigger`",
    held: "read-only, and the host's root alone may write",
    script: "echo h | tee /proc/sysrq-trigger >/dev/null",
    // A kernel may have none.
    refused: /denied|Read-only|not permitted|No such file/,
    none: "holds"
  },
  {
    tried: "read `/proc/kcore`, `/dev/mem`, `/dev/kmsg`",
    held: "hidden, or not there",
    script:
      'for f in /proc/kcore /dev/mem /dev/kmsg; do [ -z "$(timeout 2 head -c 1 $f | od)" ] || [ "$(timeout 2 head -c 1 $f | wc -c)" = 0 ] || exit 0; done; echo nothing was read; exit 1',
    refused: /nothing was read/,
    none: "holds"
  },
  {
    tried: "write to `/sys`",
    held: "read-only, and the host's root alone may write",
    script: "f=/sys/kernel/rcu_expedited; cat $f | tee $f >/dev/null",
    refused: denied,
    none: "holds"
  },
  {
    tried: "raise the machine's own limits",
    held: "they are set on the cgroup above its own, which a cgroup namespace hides",
    script:
      'for f in memory.max pids.max cpu.max; do [ -e /sys/fs/cgroup/$f ] || continue; v=$(cat /sys/fs/cgroup/$f); [ "$v" = max ] || [ "${v%% *}" = max ] || exit 0; done; echo no limit is seen; exit 1',
    refused: /no limit is seen/,
    none: "holds"
  },
  {
    tried: "`cgroup.procs` and `cgroup.kill` of a cgroup above its own",
    held: "a cgroup namespace: there is none above",
    script: "for f in procs kill; do echo 0 >/sys/fs/cgroup/../cgroup.$f && exit; done; exit 1",
    refused: /denied|No such file|Read-only|not permitted/,
    none: "holds"
  },
  {
    tried: "mount cgroup2 anew, to see the host's",
    held: "a cgroup namespace: its root is the machine's own cgroup",
    script:
      "mkdir -p /mnt/cgroup; mount -t cgroup2 none /mnt/cgroup; [ -d /mnt/cgroup/machine.slice ] || [ -d /mnt/cgroup/redd ] || { echo its own; exit 1; }",
    refused: /its own/,
    none: "holds"
  },
  {
    tried: "`release_agent` of a cgroup v1",
    held: "no hierarchy is made in a cgroup namespace",
    script:
      "mkdir -p /mnt/v1; mount -t cgroup -o none,name=redd none /mnt/v1 && echo /bin/true | tee /mnt/v1/release_agent; code=$?; umount /mnt/v1; exit $code",
    refused: denied,
    none: "holds"
  },
  {
    tried: "see, trace or kill a process of the host's",
    held: "a PID namespace: none of them has a number inside",
    script: "grep -lxz $canary /proc/[0-9]*/cmdline || { echo none is seen; exit 1; }",
    refused: /none is seen/,
    none: "holds"
  },
  {
    tried: "a user namespace inside the machine, to be root once more",
    held: "its ids are the machine's; it gives nothing on the host",
    script:
      "unshare --user --map-root-user --mount sh -c 'mknod /root/again c 1 1 || cat /proc/sys/vm/swappiness | tee /proc/sys/vm/swappiness'",
    refused: denied,
    none: "holds"
  },
  {
    tried: "a set-user-ID program, for a user of the host's to run",
    held: "the state folder is 0700",
    script: "cp /usr/bin/id /root/id; chmod 755 /root; chmod 4755 /root/id; echo made; exit 1",
    refused: /made/,
    host: "setpriv --reuid=65534 --regid=65534 --clear-groups -- test -e $1/root/id",
    none: "holds"
  },
  {
    tried: "be spared when the host runs out of memory (`oom_score_adj`)",
    held: "the lack of the capability on the host",
    script: "echo -1000 | tee /proc/self/oom_score_adj >/dev/null",
    refused: denied,
    none: "depends"
  },
  {
    tried: "write, remove or replace something in `/run/redd`",
    held: "a read-only mount; its FIFOs alone can be written to",
    script: "touch /run/redd/new || rm -f /run/redd/door.fifo || mv /run/redd/door /run/redd/away",
    refused: denied,
    none: "holds"
  },
  {
    tried: "read the host's network traffic (a packet socket)",
    held: "the lack of the capability in the host's network namespace",
    script: "perl -e 'socket($s, 17, 3, 0x0300) or die \"$!\\n\"'",
    refused: denied,
    none: "reaches"
  },
  {
    tried: "change the host's network (`/proc/sys/net`, `SIOCSIFFLAGS`)",
    held: "as above",
    script:
      'f=/proc/sys/net/ipv4/ip_forward; cat $f | tee $f >/dev/null || perl -e \'socket($s, 2, 2, 0); $i = pack("a16 s", "lo", 73) . "\\0" x 16; ioctl($s, 0x8914, $i) or die "$!\\n"\'',
    refused: denied,
    none: "holds"
  },
  // After all that finds them read-only.
  {
    tried: "mount `/proc/sys` and `/sys` writable again",
    held: "what the host mounted read-only is locked in a user namespace (`mount_namespaces(7)`)",
    script:
      "for f in /proc/sys/kernel/core_pattern /sys/kernel/rcu_expedited; do mount -o remount,bind,rw /$(cut -d/ -f2 <<<$f); mount -o remount,bind,rw /proc/sys; cat $f | tee $f >/dev/null && exit; done; exit 1",
    refused: denied,
    none: "reaches"
  },
  {
    tried: "mount `/run/redd` writable",
    held: "locked, as above",
    script: "mount -o remount,bind,rw /run/redd && touch /run/redd/new",
    refused: denied,
    none: "reaches"
  },
  call("kexec_load", 246),
  call("init_module", 175),
  call("finit_module", 313),
  call("delete_module", 176),
  call("swapon", 167),
  call("settimeofday", 164),
  call("clock_settime", 227),
  call("acct", 163),
  call("syslog", 103),
  call("iopl", 172),
  call("keyctl", 250),
  call("add_key", 248),
  call("perf_event_open", 298),
  call("bpf", 321)
]

/** How the table says what holds with `--isolation none`. */
export const none: Readonly<Record<Attempt["none"], string>> = {
  holds: "holds",
  reaches: "**reaches the host**",
  managed: "holds under the managed engine; **reaches the host** under the standalone",
  depends: "depends on what the host's root may do"
}

/** What reaches the host by design, and what to do about it: rows of the table's second half. */
export const known: ReadonlyArray<{ readonly tried: string; readonly remedy: string }> = [
  {
    tried: "connect to an abstract Unix socket of the host's",
    remedy: "abstract sockets belong to the network namespace: `--network none`"
  },
  { tried: "connect to a port of the host's loopback", remedy: "`--network none`" },
  {
    tried: "open a device node that an image brings",
    remedy:
      "`DevicePolicy=closed` refuses it under the managed engine; under the standalone nothing does: take images from who may have the host's devices"
  },
  {
    tried: "fill the disk",
    remedy: "a pool of a size of its own (`redd setup --pool`)"
  },
  {
    tried: "a fork bomb",
    remedy: "`--tasks`: the machine's limit, where the host has the controllers"
  },
  {
    tried: "have a crash handled by the host's `core_pattern`",
    remedy: "that is the kernel's way; a helper there must not trust the process"
  },
  {
    tried: "a link in a folder that is bound in writable",
    remedy: "what of the host reads such a folder must follow no link in it"
  }
]
