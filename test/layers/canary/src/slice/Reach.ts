export { user } from "./manager/User.ts"
