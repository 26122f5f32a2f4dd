declare const brand: unique symbol;
/** A primitive that the compiler keeps apart from others of the same primitive type. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Raft group: 0 is coordination, 1…N are data groups. */
export type GroupId = Brand<number, 'GroupId'>;
/** A member's random id, 1 … 2^48-1; lives on its volume, never used again after removal. */
export type MemberId = Brand<number, 'MemberId'>;
/** Position of a member in its StatefulSet; addresses come from it. */
export type Ordinal = Brand<number, 'Ordinal'>;
/** Raft term. */
export type Term = Brand<number, 'Term'>;
/** Raft log index; the first entry has index 1. */
export type LogIndex = Brand<number, 'LogIndex'>;
/** Registration of a client session in one group; counted up by that group, never reused. 0: no session. */
export type SessionId = Brand<number, 'SessionId'>;
/** Sequence number of a write within one registration, from 1, without gaps. 0: not deduplicated. */
export type Seq = Brand<number, 'Seq'>;
/** Cluster time in milliseconds since the epoch, as a leader stamped it on an entry. */
export type StampMs = Brand<number, 'StampMs'>;
/** One of `SLOT_COUNT` hash slots. */
export type Slot = Brand<number, 'Slot'>;
/** Fencing token of a lock or version of a cache entry: rises over the whole group, below 2^53. */
export type Token = Brand<number, 'Token'>;
/** A queued lock request; counted up by group 0, never reused. */
export type WaiterId = Brand<number, 'WaiterId'>;

export const COORDINATION_GROUP = 0 as GroupId;
