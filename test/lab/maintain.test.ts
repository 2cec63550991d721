/** Images made of definitions, and real playbooks, on each host with each Ansible. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { left, succeeds, withPackages } from "./Lab.ts"
import { isWhole } from "../suite/part.ts"
import { ansibleHosts } from "./setup.ts"
import { type Maintained, maintained } from "./Maintained.ts"

/** Each suite and each Ansible; the other two pairs of them where there is time for it. */
const hosts = [
  ["trixie", "ansible-core"],
  ["bookworm", "ansible"],
  ...(isWhole
    ? ([
        ["trixie", "ansible"],
        ["bookworm", "ansible-core"]
      ] as const)
    : [])
] as const

/** Two plays that do what playbooks do: packages, services, templates, handlers, other users, large files. */
const playbook = `- hosts: all
  vars:
    redd: { bootstrap: { clone: python }, keep: 2 }
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

/** What is in an image, but for its devices. */
const listing = (image: string) =>
  `cd "$0/images/${image}/"; find . \\( -path './dev/*' -o -path './run/*' \\) -prune -o -printf '%p %y %m %U %G %l\\n' | sort`

describe.each(hosts)("images of a %s host with %s", (suite, ansible) => {
  let on: Maintained
  beforeAll(async () => {
    on = await maintained(withPackages(suite, ...ansibleHosts[ansible]), "btrfs")
  })
  afterAll(async () => assert.deepStrictEqual(await left(on.here), []))

  it("a playbook of two plays makes an image, on which jobs find all that it did", async () => {
    await on.write("web.yaml", playbook)
    await on.write("greet.service.j2", template)
    await on.sh(`head -c 50M /dev/urandom >"$0-definitions/large"`)
    const first = await succeeds(on.redd("apply"))
    assert.match(first.stdout, /^web +created +\d{17}$/m)
    assert.include(first.stderr, "no git")
    const check = "systemctl is-active greet; id -un worker; sha256sum </srv/large; test ! -e /run/redd-door"
    await on.sh('test ! -e "$0/images/web/etc/systemd/system/redd-door.service"')
    const job = await succeeds(on.redd("once", "--image", "web", "--", "sh", "-c", check))
    assert.include(job.stdout, "active\nworker\n")
    assert.include(job.stdout, (await on.sh('sha256sum <"$0-definitions/large"')).slice(0, 64))
  }, 400_000)

  // What does not depend on the host's systemd or Ansible.
  if (suite !== hosts[0][0] || ansible !== hosts[0][1]) return

  it("a second apply changes nothing and says so; a tree without Python and init does as well", async () => {
    await on.write("plain.yaml", "- hosts: all\n  vars: { redd: { bootstrap: { clone: bare } } }\n")
    assert.match((await succeeds(on.redd("apply", "--dry-run"))).stdout, /^plain +would create\nweb +would maintain$/m)
    const applied = await succeeds(on.redd("apply"))
    assert.match(applied.stdout, /^plain +created +\d{17}\nweb +unchanged /m)
    assert.include(applied.stderr, "image plain has no init")
    assert.strictEqual((await on.generations("web")).length, 1)
    await succeeds(on.redd("once", "--image", "plain", "--", "true"))
    await on.sh('rm "$0-definitions/web.yaml"')
    assert.match((await succeeds(on.redd("apply", "--dry-run"))).stdout, /^plain +unchanged$/m)
    assert.match((await succeeds(on.redd("apply"))).stdout, /^plain +unchanged /m)
  }, 400_000)

  it("on a host without any image, two definitions are two images that run jobs; a second apply says that nothing changed", async () => {
    const folder = `${on.folder}-few`
    await on.sh(`mkdir ${folder}; echo 'images: ${folder}' >${folder}.yaml`)
    // It has no Python, which is brought; its / is closed to all but root, as a folder that was made for a moment.
    await on.sh(`cat >${folder}/first.yaml <<'END'
- hosts: all
  gather_facts: false
  vars: { redd: { bootstrap: { command: [sh, -c, 'mmdebstrap --variant=minbase --include=systemd-sysv trixie "$0"; chmod 0700 "$0"', "{root}"] } } }
  tasks:
    - ansible.builtin.shell: { cmd: 'echo "$no_proxy" >/srv/proxy', creates: /srv/proxy }
END
cat >${folder}/second.yaml <<'END'
- hosts: all
  vars: { redd: { bootstrap: { clone: first } } }
END`)
    const environment = {
      REDD_CONFIG: `${folder}.yaml`,
      REDD_ROOT: `${on.here.root}-empty`,
      no_proxy: "example.org"
    }
    const redd = (...args: ReadonlyArray<string>) => succeeds(on.here.reddWith({ environment }, ...args))
    const applied = await redd("apply")
    assert.match(applied.stdout, /^first +created +\d{17}\nsecond +created +\d{17}$/m)
    assert.include(applied.stderr, "redd: installing python3 into first")
    for (const image of ["first", "second"]) {
      const job = await redd("once", "--image", image, "--", "sh", "-c", "stat -c %a /; cat /srv/proxy")
      assert.strictEqual(job.stdout, "755\nexample.org\n")
    }
    assert.match((await redd("apply")).stdout, /^first +unchanged .*\nsecond +unchanged /m)
    for (const image of ["second", "first"]) await redd("image", "remove", image)
  }, 300_000)

  it("an image is exported whole, and made again from that; the list says what each is", async () => {
    const file = `${on.here.root}-plain.tar.gz`
    await succeeds(on.redd("image", "export", "plain", file))
    assert.include((await on.redd("image", "export", "plain", file)).stderr, "already")
    await on.write("copy.yaml", `- hosts: all\n  vars: { redd: { bootstrap: { tarball: { path: ${file} } } } }\n`)
    await on.sh('rm "$0-definitions/plain.yaml"')
    await succeeds(on.redd("apply"))
    assert.strictEqual(await on.sh(listing("copy")), await on.sh(listing("plain")))
    const rows: ReadonlyArray<{ name: string; sizeBytes: number; defined: boolean; due: boolean }> = JSON.parse(
      (await succeeds(on.redd("image", "list", "--json"))).stdout
    )
    const row = rows.find(({ name }) => name === "copy")
    assert.deepInclude(row, { defined: true, due: false })
    assert.isAbove(row?.sizeBytes ?? 0, 100_000)
    assert.match(
      (await succeeds(on.redd("image", "list"))).stdout,
      /^copy +\d{17} +\d minutes? +[\d.]+M +btrfs +0 +yes$/m
    )
  }, 200_000)
})
