/**
 * Redd's SDK: fresh systemd-nspawn machines, as scoped resources.
 *
 * Start with `Machine.make` and `Exec.collect`; provide `Machine.layer(stateFolder)`.
 */
export * as Backends from "./backend/Backends.ts"
export * as Doctor from "./doctor/Doctor.ts"
export * as Engine from "./engine/Engine.ts"
export * as Engines from "./engine/Engines.ts"
export * as ImageBuild from "./build/ImageBuild.ts"
export { mmdebstrap } from "./build/bootstrap/Mmdebstrap.ts"
export * as Cgroup from "./host/Cgroup.ts"
export * as Descriptor from "./host/Descriptor.ts"
export * as Files from "./host/Files.ts"
export * as Host from "./host/Host.ts"
export * as Pool from "./host/Pool.ts"
export * as Tool from "./host/Tool.ts"
export * as Tree from "./host/Tree.ts"
export * as Images from "./image/Images.ts"
export * as Exec from "./machine/Exec.ts"
export * as Machine from "./machine/Machine.ts"
export * as Shell from "./machine/Shell.ts"
export * as Transfer from "./machine/Transfer.ts"
export * as Step from "./machine/Step.ts"
export { steps } from "./machine/Steps.ts"
export * as MachineRecord from "./record/MachineRecord.ts"
export * as Quantity from "./record/Quantity.ts"
export * as Records from "./record/Records.ts"
