export { EMPTY_CONFIGURATION, isOneChange, isVoter, sameConfiguration } from './configuration.ts';
export { assert, InvariantError } from './invariant.ts';
export { majorityValue, quorumSize } from './quorum.ts';
export { EMPTY_STATE, Raft } from './raft.ts';
export * from './types.ts';
