export * from "../record/MachineRecord.ts"
