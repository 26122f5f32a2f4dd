import type {
  Command,
  ErrorCode,
  GroupId,
  LogIndex,
  Push,
  Query,
  SessionId,
  StampMs,
} from '@synccluster/client/protocol';
import type { Features } from './features.ts';

/** Reply of one applied command: a positional value, or an error that is an ordinary result. */
export type Outcome =
  | { readonly ok: true; readonly value: readonly unknown[] }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string; readonly detail: number };

export interface PushEvent {
  readonly session: SessionId;
  readonly push: Push;
}

/** A snapshot record: plain values that msgpack packs; `[section, ...fields]`. */
export type SnapshotRecord = readonly unknown[];

/** A consistent view at the moment of `freeze`, pulled record by record while the live state goes on. */
export interface FrozenState {
  /** Null at the end. */
  next(): SnapshotRecord | null;
  /** Must be called, at the end or early: until then old values are kept. */
  release(): void;
}

/**
 * A group's replicated state: pure and deterministic. The same entries in the same order give the same replies
 * and the same digest on every member, through snapshot and restore.
 */
export interface Machine {
  /**
   * Applies one command of an entry stamped `stampMs` at `index` (several commands share both). Never throws for
   * anything a command says: what is wrong becomes an error outcome. Throws where this version must not go on: the
   * log has an operation that it does not know, or raises the group to a level above its own.
   */
  apply(command: Command, stampMs: StampMs, index: LogIndex): Outcome;
  /** Answers a query from applied state; `null`: not this machine's. Never changes hashed state. */
  query(query: Query): Outcome | null;
  /** Events since the last call, in order. Only the leader delivers them. */
  takePushes(): readonly PushEvent[];
  /** Queues that got something ready since the last call: wakes long polls. */
  takeReadyQueues(): ReadonlySet<string>;
  /** Earliest stamp at which an `Expire` command would do something; `Infinity`: nothing is due. */
  nextDueStampMs(): number;
  /** What all members knew when it was raised last: no operation above it is in the log. */
  featureLevel(): number;
  /** Registrations and their TTL in milliseconds: the leader watches over them. */
  sessions(): Iterable<readonly [session: SessionId, ttlMs: number]>;
  freeze(): FrozenState;
  /**
   * Empties the state, then takes the records of a snapshot in order, then checks that they were complete. Throws
   * `TooOldError` for one of a level above this version's.
   */
  restore(records: Iterable<SnapshotRecord>): void;
  /** 32-bit hash of the whole state, independent of the order of maps. Walks everything: for tests and checks. */
  digest(): number;
}

export interface MachineOptions {
  readonly group: GroupId;
  /** @default this version's */
  readonly features?: Features;
}
