/** Images made of definitions, and real playbooks, on each host with each Ansible. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { left, succeeds, withPackages } from "./Lab.ts"
import { ansibleHosts } from "./setup.ts"
import { type Maintained, maintained } from "./Maintained.ts"

const hosts = [
  ["trixie", "ansible-core"],
  ["trixie", "ansible"],
  ["bookworm", "ansible-core"],
  ["bookworm", "ansible"]
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

  it("Python is brought where the image has none, and the proxy settings go into the machine", async () => {
    const definition = `- hosts: all
  gather_facts: false
  vars: { redd: { bootstrap: { clone: trixie } } }
  tasks:
    - ansible.builtin.shell: echo "$no_proxy" >/srv/proxy
`
    await on.write("python-too.yaml", definition)
    const environment = { REDD_CONFIG: `${on.folder}.yaml`, no_proxy: "example.org" }
    const applied = await succeeds(on.here.reddWith({ environment }, "apply"))
    assert.match(applied.stdout, /^python-too +created/m)
    assert.include(applied.stderr, "redd: installing python3 into python-too")
    const seen = await succeeds(on.redd("once", "--image", "python-too", "--boot", "none", "--", "cat", "/srv/proxy"))
    assert.strictEqual(seen.stdout, "example.org\n")
    await on.sh('rm "$0-definitions/python-too.yaml"')
  }, 200_000)

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
