/** The engines by the name that a record holds, and which one fits. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Host } from "../host/Host.ts"
import type { EngineName, MachineRecord } from "../record/MachineRecord.ts"
import type { Engine } from "./Engine.ts"
import { managed } from "./Managed.ts"
import { standalone } from "./Standalone.ts"

/** No engine, or not the one that was asked for, works on this host. */
export class EngineUnfit extends Schema.TaggedError<EngineUnfit>()("EngineUnfit", {
  engine: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `The engine ${this.engine} does not work here: ${this.reason}.`
  }
  get hint(): string {
    return "choose --engine auto"
  }
}

const byName: Readonly<Record<EngineName, Engine>> = { managed, standalone }

/** Every engine, best first. */
export const all: ReadonlyArray<Engine> = [managed, standalone]

/** The engine that holds this machine, whatever would be chosen today. */
export const of = (record: Pick<MachineRecord, "engine">): Engine => byName[record.engine]

/** The engine of this name, or with `auto` the first that fits: the host's service manager, else our own cgroup. */
export const choose = (wanted: EngineName | "auto", host: Host): Effect.Effect<Engine, EngineUnfit> => {
  let reason = ""
  for (const engine of wanted === "auto" ? all : [byName[wanted]]) {
    const unfit = engine.unfit(host)
    if (Option.isNone(unfit)) return Effect.succeed(engine)
    reason = unfit.value
  }
  return Effect.fail(new EngineUnfit({ engine: wanted, reason }))
}
