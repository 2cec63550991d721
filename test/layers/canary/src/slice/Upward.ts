export const planted = () => import("../player/Supervisor.ts")
