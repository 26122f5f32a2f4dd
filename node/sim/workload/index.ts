export type { AuditResult } from './audit.ts';
export { Random } from './random.ts';
export type { RecordedOptions } from './recordedClient.ts';
export { DEFAULT_SETTINGS, type WorkloadSettings } from './settings.ts';
export { Workload, type WorkloadWorld } from './workload.ts';
