import * as Records from "../record/Records.ts"
export const planted = Records
