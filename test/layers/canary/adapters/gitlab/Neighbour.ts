import { run } from "../cli/Run.ts"
export const planted = run
