export { checkHistory } from './checkHistory.ts';
export type { Recovery } from './epochs.ts';
export { ObservationChecker } from './observationChecker.ts';
export type { Healing } from './progress.ts';
export { describe, type Violation } from './violation.ts';
