/**
 * The JSON schema of definitions, for editors: it knows the keys under `redd:` and leaves the rest of a playbook to Ansible.
 *
 * What it refuses is a mistake. What it lets pass, `Definition.parse` may still refuse: names are checked there alone.
 */
import type * as JsonSchema from "effect/JsonSchema"
import * as EditorSchema from "../host/EditorSchema.ts"
import { Settings } from "./Definition.ts"

export const jsonSchema = (): JsonSchema.JsonSchema => ({
  ...EditorSchema.dialect,
  title: "The definition of an image: an Ansible playbook",
  type: "array",
  minItems: 1,
  // Of the first play alone are the vars read.
  items: [
    {
      type: "object",
      properties: {
        vars: {
          type: ["object", "null"],
          properties: { redd: EditorSchema.of(Settings, keys), ...nspawnRunner }
        }
      }
    }
  ],
  additionalItems: { type: "object" }
})

/** What a person reads beside a key, and what the Effect schema checks in ways that do not translate. */
const keys: Readonly<Record<string, JsonSchema.JsonSchema>> = {
  bootstrap: { description: "How the image comes to be: one of the ways", minProperties: 1, maxProperties: 1 },
  recreate: {
    description: "When it is made anew from nothing: never (default), or once it is so old",
    anyOf: [{ enum: ["never", "always", "daily", "weekly", "monthly"] }, { pattern: "^P\\d{1,4}[DWM]$" }]
  },
  keep: { description: "How many generations stay, the current one among them (default 3)" },
  boot: {
    description: "Whether the machine that the playbook runs in boots (default auto: where the image has systemd)"
  },
  mmdebstrap: { description: "Debian, or what derives from it, by mmdebstrap(1)" },
  debootstrap: { description: "Debian, or what derives from it, by debootstrap(8)" },
  suite: { description: "The suite, as trixie" },
  variant: { description: "The tool's own (default minbase)" },
  include: { description: "Packages beyond the smallest system that boots" },
  components: { description: "The archive's components, as main" },
  mirror: { description: "Where the packages come from" },
  tarball: {
    description: "An archive that tar(1) knows, of a whole tree",
    oneOf: [
      { required: ["path"], not: { required: ["url"] } },
      { required: ["url", "sha256"], not: { required: ["path"] } }
    ]
  },
  path: { description: "The archive, relative to the definition's folder" },
  url: { description: "Where curl(1) gets the archive; with sha256" },
  sha256: { description: "The archive's SHA-256 checksum, 64 hexadecimal digits" },
  oci: { description: "An OCI image layout on disk" },
  layout: { description: "The layout's folder, relative to the definition's" },
  tag: { description: "Which of the layout's images; the only one where absent" },
  clone: { description: "The current generation of another image" },
  command: {
    description: "A command that makes the tree, which {root} stands for",
    contains: { pattern: "\\{root\\}" }
  }
}

const nspawnRunner = {
  nspawn_runner_chroot_suite: { type: "string", description: "nspawn-runner's way to say mmdebstrap: { suite: … }" },
  nspawn_runner_maint_recreate: {
    type: ["boolean", "string"],
    description: "nspawn-runner's way to say recreate: always (true), recreate: never (false)"
  }
}
