export { startAdmin } from './admin.ts';
export { startHttp } from './api.ts';
export { startHealth } from './health.ts';
export type * from './memberPort.ts';
