export * from './commands.ts';
export * from './errors.ts';
export * from './frames.ts';
export * from './ids.ts';
export * from './limits.ts';
export * from './slots.ts';
export * from './validate.ts';
