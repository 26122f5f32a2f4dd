import type {
  AnswerOf,
  Command,
  GroupId,
  LogIndex,
  MemberAddress,
  Push,
  Query,
  ReadLevelValue,
  ReplyOf,
  SessionId,
} from '@synccluster/client/protocol';
import type { Registry } from 'prom-client';

export interface GroupView {
  group: number;
  role: 'follower' | 'preCandidate' | 'candidate' | 'leader';
  membership: 'voter' | 'learner' | 'none';
  term: number;
  /** Member id, 0 unknown. */
  leader: number;
  commit: number;
  applied: number;
  lastIndex: number;
  configuration: {
    voters: { id: number; ordinal: number }[];
    learners: { id: number; ordinal: number }[];
  };
  /** False while the newest configuration could still be taken back by another leader. */
  configurationCommitted: boolean;
  /** Of the group: no operation above it is served yet. */
  featureLevel: number;
  /** Leader only. */
  progress: { id: number; match: number; active: boolean }[];
}
export interface MemberStatus {
  memberId: number;
  ordinal: number;
  clusterId: string;
  version: string;
  ready: boolean;
  notReadyReason: string | null;
  freeBytes: number;
  /** Highest that this member's version knows. */
  featureLevel: number;
  groups: GroupView[];
  roster: {
    version: number;
    members: { memberId: number; ordinal: number; target: 'learner' | 'voter' | 'removed' }[];
    tombstones: number[];
  };
}
export interface IdentityView {
  memberId: number;
  /** Null: not admitted to any cluster yet. */
  clusterId: string | null;
  /** Nothing was ever written to this volume's log. */
  empty: boolean;
  ordinal: number;
  version: string;
  /** Why this member may not vote; null: it is sound. */
  damaged: string | null;
  /** As its log has them, applied or not: what a forced recovery goes by. */
  groups: {
    group: number;
    /** Member id, 0 unknown. */
    leader: number;
    lastTerm: number;
    lastIndex: number;
    voters: { id: number; ordinal: number }[];
  }[];
}
export interface RosterChangeView {
  memberId: number;
  ordinal: number;
  target: 'learner' | 'voter' | 'removed';
}

/**
 * What the HTTP listeners see of the member. Every method may reject with a `MemberError`; its code gives the
 * HTTP status (`ERROR_CODES[code].http`). Requests are forwarded to whichever member leads the group.
 */
export interface MemberPort {
  identity(): IdentityView;
  /** Null until admitted. */
  status(): MemberStatus | null;
  /** Replayed, voter in every group, a leader heard of in the last 10 s: null, or why not. */
  notReadyReason(): string | null;
  readonly registry: Registry;

  write<C extends Command>(
    group: GroupId,
    command: C,
    signal?: AbortSignal,
  ): Promise<{ index: LogIndex; value: ReplyOf<C> }>;
  read<Q extends Query>(
    group: GroupId,
    query: Q,
    level: ReadLevelValue,
    mark: LogIndex,
    signal?: AbortSignal,
  ): Promise<{ index: LogIndex; value: AnswerOf<Q> }>;
  /** Renews registrations at the group's leader. */
  keepAlive(group: GroupId, sessions: readonly SessionId[]): Promise<void>;
  /**
   * Attaches this member to a session's pushes (by a keepalive) and listens until the returned function is
   * called. Listen before the acquire is sent, so that no grant falls between.
   */
  watchSession(group: GroupId, session: SessionId, listener: (push: Push) => void): Promise<() => void>;
  /** Null until the slot table is known. */
  slotTable(): Uint8Array | null;
  clusterId(): string | null;
  /** Of the members that this one has heard of, itself included. */
  addresses(): readonly MemberAddress[];

  bootstrap(clusterId: string, shards: number): Promise<void>;
  changeRoster(expectedVersion: number, changes: readonly RosterChangeView[]): Promise<number>;
  /** Groups it still leads when it answers. */
  handover(): Promise<number[]>;
  transfer(group: GroupId, to: number): Promise<boolean>;
  /** Sets the volume aside; the process exits with code 0 soon after. */
  reset(memberId: number): Promise<void>;
  /**
   * Forced recovery: this member's data goes on as that of a new cluster with it alone; the process exits with code 0
   * soon after. Nothing happens if it carries the new id already.
   */
  recover(memberId: number, clusterId: string, newClusterId: string): Promise<void>;
}
