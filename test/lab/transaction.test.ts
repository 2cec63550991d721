/** What happens to an image while it is changed: nothing, until all of the change is there. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { left, succeeds, until, withPackages } from "./Lab.ts"
import { isWhole, partOf, stepsOf } from "../suite/part.ts"
import { ansibleHosts } from "./setup.ts"
import { type Maintained, maintained, simple } from "./Maintained.ts"

const host = () => withPackages("trixie", ...ansibleHosts["ansible-core"])

describe("an image that is maintained", () => {
  let on: Maintained
  beforeAll(async () => {
    on = await maintained(host(), "btrfs")
    await on.write("word.yaml", simple("one"))
    await succeeds(on.redd("apply"))
  })
  afterAll(async () => assert.deepStrictEqual(await left(on.here), []))

  it("--check changes nothing, maintenance makes a generation, rollback goes back, keep is kept", async () => {
    await on.write("word.yaml", simple("two"))
    const checked = await succeeds(on.redd("image", "maintain", "word", "--check", "--diff"))
    assert.include(checked.stderr, "+two")
    assert.include(checked.stderr, "would be changed")
    assert.strictEqual(await on.word("word"), "one")
    assert.include((await succeeds(on.redd("apply", "--diff"))).stderr, "+two")
    assert.strictEqual(await on.word("word"), "two")
    await succeeds(on.redd("image", "rollback", "word"))
    assert.strictEqual(await on.word("word"), "one")
    const none = await on.redd("image", "rollback", "word")
    assert.include(none.stderr, "has no generation before its current one")
    for (const text of ["three", "four"]) {
      await on.write("word.yaml", simple(text))
      await succeeds(on.redd("image", "maintain", "word"))
    }
    assert.strictEqual(await on.word("word"), "four")
    assert.strictEqual((await on.generations("word")).length, 2)
    await succeeds(
      on.redd("image", "rollback", "word", "--to", (await on.generations("word")).at(-1)?.generation ?? "")
    )
  }, 200_000)

  it("is as it was after a failing task, a playbook that hangs or reboots, a bad definition", async () => {
    await on.write("word.yaml", simple("good"))
    await succeeds(on.redd("image", "maintain", "word"))
    const before = await on.stateOf("word")
    const withInit = simple("bad").replace("boot: none", "boot: init")
    const bad: ReadonlyArray<readonly [text: string, says: RegExp, ...flags: ReadonlyArray<string>]> = [
      [simple("bad", "    - ansible.builtin.command: /bin/false\n"), /failed \(exit code 2/],
      [simple("bad", "    - ansible.builtin.command: sleep 600\n"), /did not end within 8 s/, "--timeout", "8s"],
      // Its machine comes back; that it did, the kernel's boot id does not say.
      [`${withInit}    - ansible.builtin.reboot: { reboot_timeout: 3 }\n`, /Timed out waiting for last boot time/],
      [simple("bad").replace("keep: 2", "kepe: 2"), /did you mean keep\?/],
      ["- hosts: [\n", /word\.yaml:\d/]
    ]
    for (const [text, says, ...flags] of bad) {
      await on.write("word.yaml", text)
      const { code, stderr } = await on.redd("image", "maintain", "word", ...flags)
      assert.strictEqual(code, 125, text)
      assert.match(stderr, says)
      assert.deepStrictEqual(await on.stateOf("word"), before, text)
      assert.deepStrictEqual(await left(on.here), [], text)
    }
    await on.write("good.yaml", simple("good"))
    const applied = await on.redd("apply")
    assert.strictEqual(applied.code, 1)
    assert.match(applied.stdout, /^good +created/m)
    assert.match(applied.stdout, /^word +failed/m)
    await on.sh('rm "$0-definitions/good.yaml"')
  }, 300_000)

  it("of two at once the second says who has it", async () => {
    await on.write("word.yaml", simple("both", "    - ansible.builtin.command: sleep 3\n"))
    const first = on.here.host.start([`${on.here.host.repository}/bin/redd`, "image", "maintain", "word"], {
      environment: { REDD_ROOT: on.here.root, REDD_CONFIG: `${on.folder}.yaml` }
    })
    await until("the first has begun", async () => (await on.sh('ls "$0/machines"')) !== "")
    const { stderr } = await on.redd("image", "maintain", "word")
    const [, pid] = /is in use by process (\d+), which makes or changes it/.exec(stderr) ?? assert.fail(stderr)
    assert.include(await on.sh(`tr '\\0' ' ' </proc/${pid}/cmdline`), "image maintain word")
    await succeeds(first.outcome)
  }, 120_000)

  it("a shell in a clone of it becomes the image where a person says so, and else does not", async () => {
    const login = (answer: string) =>
      on.sh(`exec 2>&1
rm -f "$0.tty"
( until grep -q root@image-word "$0.tty"; do sleep 0.1; done; echo 'echo by hand >/srv/word; exit'
  until grep -q 'Make this the image' "$0.tty"; do sleep 0.1; done; echo ${answer} ) |
REDD_ROOT="$0" script --quiet --flush --return --command '${on.here.host.repository}/bin/redd image login word' "$0.tty"`)
    const before = await on.stateOf("word")
    assert.include(await login("no"), "is as it was")
    assert.deepStrictEqual(await on.stateOf("word"), before)
    await login("yes")
    assert.strictEqual(await on.word("word"), "by hand\n")
  }, 120_000)

  it("a plain folder becomes the generation before, whose machines stay on it", async () => {
    await on.sh('cp -a --reflink=auto "$0/images/word/." "$0/images/plain"')
    await succeeds(on.redd("prepare", "--id", "on-plain", "--image", "plain", "--boot", "none", "--backend", "overlay"))
    await on.write("plain.yaml", simple("anew").replace("keep: 2", "keep: 1"))
    const before = await on.word("plain")
    await succeeds(on.redd("image", "maintain", "plain"))
    assert.strictEqual(await on.word("plain"), "anew")
    await succeeds(on.redd("gc"))
    assert.deepStrictEqual((await on.generations("plain")).map(({ current, users }) => [current, users]).sort(), [
      [false, ["on-plain"]],
      [true, []]
    ])
    assert.strictEqual((await succeeds(on.redd("exec", "--id", "on-plain", "--", "cat", "/srv/word"))).stdout, before)
    await succeeds(on.redd("image", "rollback", "plain"))
    assert.strictEqual(await on.word("plain"), before)
    await succeeds(on.redd("cleanup", "--id", "on-plain"))
  }, 120_000)

  it("no generation is deleted while a record cannot be read: it may name it", async () => {
    const old = "images/.generations/plain/20200101000000000"
    await on.sh(`mkdir "$0/${old}"; echo {} >"$0/records/x-0123456789abcdef.json"`)
    await on.redd("gc")
    await on.sh(`test -d "$0/${old}"; rm "$0/records/x-0123456789abcdef.json"`)
    assert.include((await succeeds(on.redd("gc"))).stdout, "20200101000000000")
    await on.sh(`test ! -d "$0/${old}"`)
  }, 120_000)
})

describe("an image, killed at every step of a change to it,", () => {
  let on: Maintained
  beforeAll(async () => {
    on = await maintained(host(), "btrfs")
  })
  afterAll(async () => assert.deepStrictEqual(await left(on.here), []))

  /**
   * Kills redd at a call of a kind, then at a later one, and so on, until it makes no more (strace(1), inject);
   * what `settled` says after gc each time. What may block is done by another thread, of which there is one here.
   */
  const killedAtEach = async (
    kinds: ReadonlyArray<string>,
    words: string,
    settled: () => Promise<string>,
    { by, first } = stepsOf()
  ) => {
    const seen: Array<string> = []
    for (const kind of kinds) {
      for (let turn = 1 + first; ; turn += by) {
        const threads = kind === "rename" ? "--follow-forks" : ""
        const trace = await on.sh(`
REDD_ROOT="$0" REDD_CONFIG="$0-definitions.yaml" UV_THREADPOOL_SIZE=1 strace ${threads} --output="$0.trace" \
  --trace=${kind} --inject=${kind}:signal=KILL:when=${turn} ${on.here.host.repository}/bin/redd ${words} >/dev/null 2>&1 || echo "ended with $?"
cat "$0.trace"`)
        await until(`nothing is left after ${kind} ${turn}`, async () => {
          await succeeds(on.redd("gc"))
          return (await left(on.here)).length === 0 && (await on.sh('ls -A "$0/images/.staging" || :')) === ""
        })
        // With threads, a tool may have been the one.
        if (!/ended with 137|killed by SIGKILL/.test(trace)) break
        seen.push(await settled())
      }
    }
    console.log(`${words}: killed ${seen.length} times, from call ${first + 1} on each ${by} calls`)
    assert.isNotEmpty(seen)
    return seen
  }

  it("is not there, or there in whole, where it is made", async () => {
    await on.write("new.yaml", "- hosts: all\n  vars: { redd: { bootstrap: { clone: bare } } }\n")
    // What settling writes is each image's own.
    const whole = (image: string) =>
      on.sh(`cd "$0/images/${image}/"
find . -type f ! -name .updated ! -name machine-id | sort | xargs -d '\\n' sha256sum`)
    const wanted = await whole("bare")
    // It makes few calls: each.
    const seen = await killedAtEach(
      ["symlink", "rename"],
      "apply",
      async () => {
        if ((await on.sh('ls "$0/images"')).split("\n").includes("new")) {
          assert.strictEqual(await whole("new"), wanted)
          await succeeds(on.redd("image", "remove", "new"))
          return "there"
        }
        assert.notInclude((await succeeds(on.redd("image", "list"))).stdout, "\nnew ")
        return "absent"
      },
      { by: 1, first: 0 }
    )
    assert.includeMembers([...seen], ["absent", "there"])
  }, 300_000)

  it("is what it was, bit for bit, or what it shall be, where it is maintained", async () => {
    await on.write("word.yaml", simple("old"))
    await succeeds(on.redd("apply"))
    await on.write("word.yaml", simple("new"))
    let before = await on.stateOf("word")
    const seen = await killedAtEach(["symlink", "rename"], "image maintain word", async () => {
      const now = await on.stateOf("word")
      if (now[0] === before[0]) {
        assert.deepStrictEqual(now, before)
        return "old"
      }
      assert.strictEqual(await on.word("word"), "new")
      await succeeds(on.redd("image", "rollback", "word"))
      assert.deepStrictEqual(await on.stateOf("word"), before)
      return "new"
    })
    if (isWhole) assert.includeMembers([...seen], ["old", "new"])
  }, 600_000)
})

describe.each(partOf(["btrfs", "disk"] as const, 2))("an image on a file system (%s) that is full", (disk) => {
  let on: Maintained
  beforeAll(async () => {
    on = await maintained(host(), disk, { size: "1300M" })
  })
  afterAll(async () => {
    assert.deepStrictEqual(await left(on.here), [])
    await on.sh('umount "$0"; rm "$0.img"')
  })

  it("is as it was, and the next change of it goes well once there is room", async () => {
    await on.write("word.yaml", simple("old"))
    await succeeds(on.redd("apply"))
    const before = await on.stateOf("word")
    // There is room for another tree, where it cannot share anything, and a little more.
    const freeBytes = (disk === "btrfs" ? 80 : 330) * 2 ** 20
    await on.sh(
      `fallocate --length $(($(df --block-size=1 --output=avail "$0" | tail -n 1) - ${freeBytes})) "$0/filler"`
    )
    await on.write("word.yaml", simple("new", "    - ansible.builtin.shell: cat /dev/zero >/srv/filling\n"))
    const { code, stderr } = await on.redd("apply")
    assert.strictEqual(code, 1)
    assert.match(stderr, /No space left on device/i)
    assert.deepStrictEqual(await on.stateOf("word"), before)
    assert.deepStrictEqual(await left(on.here), [])
    assert.strictEqual(await on.sh('ls -A "$0/images/.staging"'), "")
    await on.sh('rm "$0/filler"')
    await on.write("word.yaml", simple("new"))
    await succeeds(on.redd("image", "maintain", "word"))
    assert.strictEqual(await on.word("word"), "new")
  }, 300_000)
})
