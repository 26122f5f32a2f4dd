export { EMPTY_STATE, Raft } from './raft.ts';
export * from './types.ts';
