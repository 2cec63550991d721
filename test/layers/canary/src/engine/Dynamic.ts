export const planted = () => import("../machine/Machine.ts")
