import { read } from "../executor/Contract.ts"
export const planted = read
