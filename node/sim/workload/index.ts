export { DEFAULT_SETTINGS, type WorkloadSettings } from './settings.ts';
export { Workload } from './workload.ts';
