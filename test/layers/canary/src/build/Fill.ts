import { tarball } from "./bootstrap/Tarball.ts"
export const found = tarball
