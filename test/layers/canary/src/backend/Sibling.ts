export { btrfs } from "./Btrfs.ts"
