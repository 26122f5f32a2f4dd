export { startAdmin } from './admin.ts';
export { startHttp } from './api.ts';
export { startHealth } from './health.ts';
export type { Listener } from './listener.ts';
export type * from './memberPort.ts';
