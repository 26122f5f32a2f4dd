import type { LogIndex, MemberId, Ordinal, StampMs, Term } from '@synccluster/client/protocol';

export const EntryKind = {
  /** A new leader's first entry: what it commits proves its term (Raft §5.4.2, §8). */
  Empty: 0,
  /** A batch of packed commands. */
  Commands: 1,
  Configuration: 2,
} as const;
export type EntryKindValue = (typeof EntryKind)[keyof typeof EntryKind];

/** Immutable once made: the same object is in the log, on its way to disk and to peers. */
export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKindValue;
  /** Cluster time the leader stamped; never falls along the log. */
  readonly stampMs: StampMs;
  /** Empty unless `kind` is Commands. */
  readonly data: Uint8Array;
  /** Null unless `kind` is Configuration. */
  readonly configuration: Configuration | null;
}

/** Ids and ordinals only: addresses come from the ordinal, never from the log. */
export interface ConfigurationMember {
  readonly id: MemberId;
  readonly ordinal: Ordinal;
}
/** In force from the moment it is appended (thesis §4.1); one voter change at a time. */
export interface Configuration {
  readonly voters: readonly ConfigurationMember[];
  readonly learners: readonly ConfigurationMember[];
}

/** What must be durable before a message that depends on it leaves. */
export interface HardState {
  readonly term: Term;
  /** 0: nobody. */
  readonly vote: MemberId | 0;
}

export interface SnapshotMeta {
  readonly index: LogIndex;
  readonly term: Term;
  readonly stampMs: StampMs;
  readonly configuration: Configuration;
}

interface Addressed {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: Term;
}
export interface VoteRequest extends Addressed {
  readonly type: 'vote';
  /** A pre-vote changes nobody's term (thesis §9.6); `term` is the one the candidate would campaign in. */
  readonly preVote: boolean;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** Set by a leadership transfer: the receiver ignores its leader lease (thesis §4.2.3). */
  readonly transfer: boolean;
}
export interface VoteResponse extends Addressed {
  readonly type: 'voteResponse';
  readonly preVote: boolean;
  readonly granted: boolean;
}
export interface AppendRequest extends Addressed {
  readonly type: 'append';
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly commit: LogIndex;
  readonly entries: readonly Entry[];
}
export interface AppendResponse extends Addressed {
  readonly type: 'appendResponse';
  readonly rejected: boolean;
  /** Accepted: durable up to here. Rejected: the `prevIndex` that did not match. */
  readonly index: LogIndex;
  /** Rejected: where the leader should go on from: last index with a term ≤ the request's, and that term. */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
}
export interface Heartbeat extends Addressed {
  readonly type: 'heartbeat';
  /** min(match, commit): a follower must not commit what it may not have. */
  readonly commit: LogIndex;
  /** Highest ReadIndex round this heartbeat confirms; a leader-made counter, never a caller's id. */
  readonly round: number;
}
export interface HeartbeatResponse extends Addressed {
  readonly type: 'heartbeatResponse';
  readonly round: number;
}
/** The chunks of a snapshot have all arrived and stand synced in the receiver's store. */
export interface SnapshotArrived extends Addressed {
  readonly type: 'snapshot';
  readonly meta: SnapshotMeta;
}
export interface TimeoutNow extends Addressed {
  readonly type: 'timeoutNow';
}
export type Message =
  | VoteRequest
  | VoteResponse
  | AppendRequest
  | AppendResponse
  | Heartbeat
  | HeartbeatResponse
  | SnapshotArrived
  | TimeoutNow;

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader';

export interface RaftOptions {
  readonly id: MemberId;
  /** Ticks without a leader until a follower campaigns: drawn anew from [n, 2n) at each reset. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Appends on their way to one peer that it has not answered. */
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
  /** Payload of one append message (at least one entry goes, however large). */
  readonly maxAppendBytes: number;
  /** Payload appended but not committed: above it proposals are refused. */
  readonly maxUncommittedBytes: number;
  /** Uniform in [0, 1): the only randomness the core uses. */
  readonly random: () => number;
}

/** What the log gave back at start; a group that was never heard of starts with `EMPTY_STATE`. */
export interface RestoredState {
  readonly hardState: HardState;
  /** Null: the log starts at index 1 and the configuration is empty until an entry brings one. */
  readonly snapshot: SnapshotMeta | null;
  /** Contiguous, from `snapshot.index + 1` or 1; all durable. */
  readonly entries: readonly Entry[];
}

/** Work for the driver, in this order: append+hard state to the log; send `messages`; apply `committed`. */
export interface Ready {
  /** Non-null when it changed: goes into the same log batch as `entries`. */
  readonly hardState: HardState | null;
  /**
   * To append. The first may have an index that is already in the log: that one and all behind it are
   * discarded (Raft §5.3).
   */
  readonly entries: readonly Entry[];
  /** May leave at once: the leader sends while its own write is in flight (thesis §10.2.1). */
  readonly messages: readonly Message[];
  /** Promise something about this member's log or vote: leave only when this batch is durable. */
  readonly messagesAfterPersist: readonly Message[];
  /** Committed and durable here, in order, each once. */
  readonly committed: readonly Entry[];
  /** Reads whose leadership round was confirmed: servable once `index` is applied. */
  readonly reads: readonly ReadReady[];
  /** Peers whose next entry has been compacted away: stream the newest snapshot, then `snapshotReported`. */
  readonly snapshotTo: readonly MemberId[];
  /** A streamed snapshot to install in place of the whole log: a reset is logged, then `snapshotInstalled`. */
  readonly install: SnapshotMeta | null;
}
export interface ReadReady {
  /** As `readIndex` returned it. */
  readonly round: number;
  readonly index: LogIndex;
}

export interface Progress {
  readonly id: MemberId;
  readonly match: LogIndex;
  readonly next: LogIndex;
  readonly state: 'probe' | 'replicate' | 'snapshot';
  /** Heard of within the last election timeout. */
  readonly active: boolean;
}
export interface RaftStatus {
  readonly id: MemberId;
  readonly role: Role;
  readonly term: Term;
  /** 0: unknown. */
  readonly leader: MemberId | 0;
  readonly commit: LogIndex;
  readonly durable: LogIndex;
  readonly applied: LogIndex;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly configuration: Configuration;
  /** Index of the entry that `configuration` came from; 0: none. */
  readonly configurationIndex: LogIndex;
  /** Leader: an entry of its own term is committed, so reads and configuration changes are allowed (Raft §8). */
  readonly committedInTerm: boolean;
  /** Leadership is being handed to this member: proposals are refused; 0: no transfer. */
  readonly transferee: MemberId | 0;
  /** Leader only. */
  readonly progress: readonly Progress[];
  /** Ticks since a leader was last heard of (0 for a leader with a quorum). */
  readonly silentTicks: number;
}

export type ProposeRefusal = 'notLeader' | 'transferring' | 'overloaded' | 'changePending' | 'invalid';

/**
 * One group's consensus on one member: pure, synchronous, single-threaded. The driver calls a method, then
 * `takeReady` until it is null, and reports back what became durable and applied.
 */
export interface RaftCore {
  tick(): void;
  /** Takes a message from a peer. Anything may come: stale, duplicated, from a removed member. */
  step(message: Message): void;
  /** Appends one entry of commands; refused without effect when not leader, handing over or overloaded. */
  propose(stampMs: StampMs, data: Uint8Array): LogIndex | ProposeRefusal;
  /**
   * Appends a configuration that differs from the present one by one voter (added, removed, or a learner
   * promoted) or by any learners. `changePending` until the last one and an entry of the own term are committed.
   */
  proposeConfiguration(stampMs: StampMs, configuration: Configuration): LogIndex | ProposeRefusal;
  /** Asks for a leadership round begun now; calls before the next ready share one. Null when not a serving leader. */
  readIndex(): number | null;
  /** Hands leadership to a caught-up voter, aborted after an election timeout. */
  transferLeadership(to: MemberId): boolean;
  /** Entries and hard state up to (index, term) are durable; ignored when the log has since changed there. */
  persisted(index: LogIndex, term: Term): void;
  /** The driver applied up to here. */
  applied(index: LogIndex): void;
  /** A snapshot at `index` is durable: entries up to `keepFrom - 1` may be forgotten. */
  compact(meta: SnapshotMeta, keepFrom: LogIndex): void;
  snapshotReported(to: MemberId, ok: boolean): void;
  /** The snapshot of `Ready.install` replaced log and state, durably. */
  snapshotInstalled(meta: SnapshotMeta): void;
  /** Campaigns now, as the first member of a new cluster does instead of waiting for its timeout. */
  campaign(): void;
  takeReady(): Ready | null;
  status(): RaftStatus;
  /** Cheap parts of the status for the hot path. */
  readonly role: Role;
  readonly term: Term;
  readonly leader: MemberId | 0;
  /** A streamed snapshot was taken in and has not replaced log and state yet: no other may come. */
  readonly installing: boolean;
}
