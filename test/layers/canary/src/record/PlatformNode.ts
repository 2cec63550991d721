import type * as NodeServices from "@effect/platform-node/NodeServices"
export type Planted = typeof NodeServices
