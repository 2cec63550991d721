/** Images as code: definitions, playbooks, generations, and what is left when something goes wrong on the way. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { left, type Outcome, type State, state, succeeds, until, withPackages } from "./Lab.ts"

const hosts = [
  ["trixie", "ansible-core"],
  ["bookworm", "ansible"]
] as const

/** Two plays that do what playbooks do: packages, services, templates, handlers, other users, large files. */
const playbook = `- hosts: all
  vars:
    redd: { bootstrap: { clone: trixie }, keep: 2 }
    greeting: hello
  tasks:
    - ansible.builtin.apt: { name: [sudo, less], update_cache: true, install_recommends: false }
    - ansible.builtin.template: { src: greet.service.j2, dest: /etc/systemd/system/greet.service, mode: "0644" }
      notify: reload
    - ansible.builtin.meta: flush_handlers
    - ansible.builtin.systemd_service: { name: greet, enabled: true, state: started }
    - ansible.builtin.command: cat /run/greeted
      changed_when: false
      register: greeted
    - ansible.builtin.assert: { that: [greeted.stdout == "hello"] }
    - ansible.builtin.copy: { src: large, dest: /srv/large }
    - ansible.builtin.command: touch /tmp/first
      args: { creates: /tmp/first }
  handlers:
    - name: reload
      ansible.builtin.systemd_service: { daemon_reload: true }
- hosts: all
  tasks:
    - ansible.builtin.stat: { path: /tmp/first }
      register: first
    - ansible.builtin.assert: { that: [first.stat.exists] }
    - ansible.builtin.user: { name: worker }
    - ansible.builtin.command: id -un
      become: true
      become_user: worker
      changed_when: false
      register: who
    - ansible.builtin.assert: { that: [who.stdout == "worker"] }
`
const template = `[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'echo {{ greeting }} >/run/greeted'
[Install]
WantedBy=multi-user.target
`
/** One task, and what it writes. */
const simple = (text: string, more = ""): string => `- hosts: all
  gather_facts: false
  vars: { redd: { bootstrap: { clone: trixie }, keep: 2 } }
  tasks:
    - ansible.builtin.copy: { dest: /srv/word, content: "${text}" }
${more}`

describe.each(hosts)("images of a %s host with %s", (suite, ansible) => {
  let here: State
  let definitions: string
  const redd = (...args: ReadonlyArray<string>): Promise<Outcome> =>
    here.reddWith({ environment: { REDD_CONFIG: `${definitions}.yaml` } }, ...args)
  const write = (name: string, text: string) =>
    succeeds(here.host.run(["/bin/sh", "-c", 'cat >"$0"', `${definitions}/${name}`], { input: text }))
  const generations = async (image: string): Promise<ReadonlyArray<{ generation: string; current: boolean }>> =>
    JSON.parse((await succeeds(redd("image", "history", image, "--json"))).stdout)
  const currentOf = async (image: string) => (await generations(image)).find(({ current }) => current)?.generation ?? ""
  /** Of every file of an image: what it holds, whose it is, what may be done with it, when it was written. */
  const hashOf = async (image: string): Promise<string> => {
    const tree = `${here.root}/images/${image}/`
    const script = `cd ${tree}; { find . -printf '%p %y %m %U %G %s %l %T@\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum; } | sha256sum`
    return (await succeeds(here.host.run(["/bin/sh", "-c", script]))).stdout
  }
  const word = async (image: string) =>
    (await succeeds(redd("once", "--image", image, "--boot", "none", "--", "cat", "/srv/word"))).stdout

  beforeAll(async () => {
    here = state(withPackages(suite, ansible), "btrfs")
    definitions = `${here.root}-definitions`
    await succeeds(here.host.run(["mkdir", "-p", definitions]))
    const config = ["/bin/sh", "-c", 'cat >"$0"', `${definitions}.yaml`]
    await succeeds(here.host.run(config, { input: `images: ${definitions}\n` }))
  })
  afterAll(async () => assert.deepStrictEqual(await left(here), []))

  it("apply makes what two definitions say, runs jobs on it, and a second time changes nothing", async () => {
    await write("web.yaml", playbook)
    await write("greet.service.j2", template)
    await succeeds(here.host.run(["/bin/sh", "-c", `head -c 50M /dev/urandom >${definitions}/large`]))
    await write("plain.yaml", "- hosts: all\n  vars: { redd: { bootstrap: { clone: bare } } }\n")
    const first = await succeeds(redd("apply"))
    assert.match(first.stdout, /^plain +created +\d{17}\nweb +created +\d{17}$/m)
    assert.include(first.stderr, "no python3")
    const check =
      "systemctl is-active greet; id -un worker; sha256sum </srv/large; test ! -e /run/redd-door; ls /etc/systemd/system"
    const job = await succeeds(redd("once", "--image", "web", "--", "sh", "-c", check))
    assert.include(job.stdout, "active\nworker\n")
    assert.include(
      job.stdout,
      (await succeeds(here.host.run(["sha256sum", `${definitions}/large`]))).stdout.split(" ")[0] ?? "?"
    )
    await succeeds(redd("once", "--image", "plain", "--", "true"))
    const again = await succeeds(redd("apply"))
    assert.match(again.stdout, /^plain +unchanged .*\nweb +unchanged /m)
    assert.strictEqual((await generations("web")).length, 1)
    await succeeds(here.host.run(["rm", `${definitions}/web.yaml`, `${definitions}/plain.yaml`]))
  }, 400_000)

  // What does not depend on the host's systemd or Ansible.
  if (suite !== hosts[0][0]) return

  it("--check changes nothing, maintenance makes a generation, rollback goes back, keep is kept", async () => {
    await write("word.yaml", simple("one"))
    await succeeds(redd("apply"))
    await write("word.yaml", simple("two"))
    const checked = await succeeds(redd("image", "maintain", "word", "--check", "--diff"))
    assert.include(checked.stderr, "+two")
    assert.include(checked.stderr, "would be changed")
    assert.strictEqual(await word("word"), "one")
    await succeeds(redd("image", "maintain", "word"))
    assert.strictEqual(await word("word"), "two")
    await succeeds(redd("image", "rollback", "word"))
    assert.strictEqual(await word("word"), "one")
    const none = await redd("image", "rollback", "word")
    assert.include(none.stderr, "has no generation before its current one")
    for (const text of ["three", "four"]) {
      await write("word.yaml", simple(text))
      await succeeds(redd("image", "maintain", "word"))
    }
    assert.strictEqual(await word("word"), "four")
    assert.strictEqual((await generations("word")).length, 2)
    await succeeds(redd("image", "rollback", "word", "--to", (await generations("word")).at(-1)?.generation ?? ""))
  }, 200_000)

  it("a failing task, a playbook that hangs or reboots, a bad definition: the image is as it was", async () => {
    await write("word.yaml", simple("good"))
    await succeeds(redd("image", "maintain", "word"))
    const before = [await currentOf("word"), await hashOf("word")]
    const bad: ReadonlyArray<readonly [text: string, says: RegExp, ...flags: ReadonlyArray<string>]> = [
      [simple("bad", "    - ansible.builtin.command: /bin/false\n"), /failed \(exit code 2/],
      [simple("bad", "    - ansible.builtin.command: sleep 600\n"), /did not end within 8 s/, "--timeout", "8s"],
      // Its machine comes back; that it did, the kernel's boot id does not say.
      [simple("bad", "    - ansible.builtin.reboot: { reboot_timeout: 3 }\n"), /Timed out waiting for last boot time/],
      [simple("bad").replace("keep: 2", "kepe: 2"), /did you mean keep\?/],
      ["- hosts: [\n", /word\.yaml:\d/]
    ]
    for (const [text, says, ...flags] of bad) {
      await write("word.yaml", text)
      const { code, stderr } = await redd("image", "maintain", "word", ...flags)
      assert.strictEqual(code, 125, text)
      assert.match(stderr, says)
      assert.deepStrictEqual([await currentOf("word"), await hashOf("word")], before, text)
      assert.deepStrictEqual(await left(here), [], text)
    }
    await write("good.yaml", simple("good"))
    const applied = await redd("apply")
    assert.strictEqual(applied.code, 1)
    assert.match(applied.stdout, /^good +created/m)
    assert.match(applied.stdout, /^word +failed/m)
  }, 300_000)

  it("killed at any moment, the image is as it was, and gc leaves nothing", async () => {
    await write("word.yaml", simple("slow", "    - ansible.builtin.command: sleep 2\n"))
    const before = [await currentOf("word"), await hashOf("word")]
    const moments: ReadonlyArray<readonly [what: string, come: string]> = [
      ["the machine is being made", `[ -n "$(ls ${here.root}/machines)" ]`],
      ["it is ready", `[ -n "$(ls /run/redd/ready 2>/dev/null)" ]`],
      ["the playbook runs", `pgrep -f 'ansible-playbook.*${definitions}'`],
      ["its task runs", `pgrep -f '^sleep 2$'`]
    ]
    for (const [what, come] of moments) {
      const script = `"$@" & redd=$!; for n in $(seq 1000); do ${come} >/dev/null && break; sleep 0.02; done; kill -KILL $redd; wait $redd; [ $? = 137 ]`
      const command = [`${here.host.repository}/bin/redd`, "image", "maintain", "word"]
      const environment = { REDD_ROOT: here.root, REDD_CONFIG: `${definitions}.yaml` }
      await succeeds(here.host.run(["/bin/sh", "-c", script, "kill", ...command], { environment }))
      await until(`nothing is left after: ${what}`, async () => {
        await succeeds(redd("gc"))
        return (await left(here)).length === 0
      })
      assert.deepStrictEqual([await currentOf("word"), await hashOf("word")], before, what)
    }
    const staging = await succeeds(here.host.run(["ls", "-A", `${here.root}/images/.staging`]))
    assert.strictEqual(staging.stdout, "")
  }, 300_000)

  it("jobs go on while it is maintained, each on one whole generation", async () => {
    const words = new Set<string>()
    const maintained = (async () => {
      for (let time = 0; time < 5; time++) {
        await write("word.yaml", simple(`time ${time}`))
        await succeeds(redd("image", "maintain", "word"))
      }
      return "maintained"
    })()
    const job = async () => void words.add(await word("word"))
    while ((await Promise.race([maintained, job()])) !== "maintained");
    await maintained
    assert.isAtLeast(words.size, 2)
    for (const seen of words) assert.match(seen, /^(good|one|two|three|four|time \d)$/)
    assert.strictEqual(await word("word"), "time 4")
  }, 300_000)

  it("two at once: the second says who has it", async () => {
    await write("word.yaml", simple("both", "    - ansible.builtin.command: sleep 3\n"))
    const first = redd("image", "maintain", "word")
    await until(
      "the first has begun",
      async () => (await succeeds(here.host.run(["ls", `${here.root}/machines`]))).stdout !== ""
    )
    const second = await redd("image", "maintain", "word")
    assert.include(second.stderr, "is in use by another redd that is making or changing it")
    await succeeds(first)
  }, 120_000)

  it("an image is exported whole, and made again from that", async () => {
    const file = `${here.root}-word.tar.gz`
    await succeeds(redd("image", "export", "word", file))
    assert.include((await redd("image", "export", "word", file)).stderr, "already")
    await write("copy.yaml", `- hosts: all\n  vars: { redd: { bootstrap: { tarball: { path: ${file} } } } }\n`)
    await succeeds(here.host.run(["rm", `${definitions}/word.yaml`, `${definitions}/good.yaml`]))
    await succeeds(redd("apply"))
    assert.strictEqual(await word("copy"), await word("word"))
    const rows: ReadonlyArray<{ name: string; defined: boolean; due: boolean }> = JSON.parse(
      (await succeeds(redd("image", "list", "--json"))).stdout
    )
    assert.deepInclude(
      rows.find(({ name }) => name === "copy"),
      { defined: true, due: false }
    )
  }, 200_000)

  it("a plain folder becomes the generation before, whose machines stay on it", async () => {
    await succeeds(
      here.host.run(["cp", "-a", "--reflink=auto", `${here.root}/images/word/.`, `${here.root}/images/plain-one`])
    )
    await succeeds(
      redd("prepare", "--id", "on-plain", "--image", "plain-one", "--boot", "none", "--backend", "overlay")
    )
    await write("plain-one.yaml", simple("anew").replace("keep: 2", "keep: 1"))
    const before = await word("plain-one")
    await succeeds(redd("image", "maintain", "plain-one"))
    assert.strictEqual(await word("plain-one"), "anew")
    await succeeds(redd("gc"))
    const rows: ReadonlyArray<{ current: boolean; users: ReadonlyArray<string> }> = JSON.parse(
      (await succeeds(redd("image", "history", "plain-one", "--json"))).stdout
    )
    assert.deepStrictEqual(rows.map(({ current, users }) => [current, users]).sort(), [
      [false, ["on-plain"]],
      [true, []]
    ])
    assert.strictEqual((await succeeds(redd("exec", "--id", "on-plain", "--", "cat", "/srv/word"))).stdout, before)
    await succeeds(redd("image", "rollback", "plain-one"))
    assert.strictEqual(await word("plain-one"), before)
    await succeeds(redd("cleanup", "--id", "on-plain"))
  }, 120_000)

  it("no generation is deleted while a record cannot be read: it may name it", async () => {
    const old = `${here.root}/images/.generations/plain-one/20200101000000000`
    const record = `${here.root}/records/x-0123456789abcdef.json`
    await succeeds(here.host.run(["/bin/sh", "-ec", 'mkdir "$0"; echo {} >"$1"', old, record]))
    await redd("gc")
    await succeeds(here.host.run(["test", "-d", old]))
    await succeeds(here.host.run(["rm", record]))
    assert.include((await succeeds(redd("gc"))).stdout, "20200101000000000")
    assert.notStrictEqual((await here.host.run(["test", "-d", old])).code, 0)
  }, 120_000)
})
