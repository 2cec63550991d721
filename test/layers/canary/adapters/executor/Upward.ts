import { gitlab } from "../gitlab/Gitlab.ts"
export const planted = gitlab
