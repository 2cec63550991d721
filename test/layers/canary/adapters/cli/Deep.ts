import * as Tree from "../../src/host/Tree.ts"
export const planted = Tree
