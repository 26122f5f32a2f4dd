export * from './jsonLines.ts';
export * from './observations.ts';
export * from './operations.ts';
export * from './recorder.ts';
