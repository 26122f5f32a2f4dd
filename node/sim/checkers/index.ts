export { checkHistory, type HistoryOptions } from './checkHistory.ts';
export { checkObservations, ObservationChecker } from './observationChecker.ts';
export type { Healing } from './progress.ts';
export { describe, type Violation } from './violation.ts';
