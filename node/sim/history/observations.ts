import type { EntryKindValue, Role } from '../../src/raft/types.ts';

/**
 * What a member showed from the inside, as plain data. `order` is the same counter as that of the operations: the
 * order of real time.
 */
interface Base {
  readonly order: number;
  readonly worldMs: number;
  /** Member id: random, of one volume. */
  readonly member: number;
}

/** An entry as it stands in a log; `hash` covers kind, stamp, data and configuration. */
export interface EntryRecord {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKindValue;
  readonly hash: number;
}

/** The process came up; `restored` follows for each group that was on its volume. */
interface Started extends Base {
  readonly kind: 'started';
  readonly ordinal: number;
}
/** The version that the process which came up is, by the highest feature level it knows. */
export interface RunsAs extends Base {
  readonly kind: 'runsAs';
  readonly level: number;
}
/** It ended: a crash, a kill, or in order. What was not durable is gone. */
interface Stopped extends Base {
  readonly kind: 'stopped';
  readonly why: 'crashed' | 'closed' | 'damaged';
}
/** The volume was lost or set aside: this id must never vote again. */
interface VolumeLost extends Base {
  readonly kind: 'volumeLost';
}
/** What a start read from the volume: the member has forgotten everything else. */
export interface Restored extends Base {
  readonly kind: 'restored';
  readonly group: number;
  readonly term: number;
  /** 0: nobody. */
  readonly vote: number;
  /** Index and term of the snapshot; 0: none. */
  readonly snapshotIndex: number;
  readonly snapshotTerm: number;
  /** Contiguous from behind the snapshot. */
  readonly entries: readonly EntryRecord[];
}
export interface RoleChanged extends Base {
  readonly kind: 'role';
  readonly group: number;
  readonly term: number;
  readonly role: Role;
  /** Of the configuration that the member goes by. */
  readonly voters: readonly number[];
}
/** The member granted its vote (its own included), durably. */
export interface Voted extends Base {
  readonly kind: 'voted';
  readonly group: number;
  readonly term: number;
  readonly vote: number;
}
/** Into the member's log in memory: entries from the first's index on are discarded before (Raft §5.3). */
export interface Appended extends Base {
  readonly kind: 'appended';
  readonly group: number;
  readonly entries: readonly EntryRecord[];
}
/** The volume holds the log up to here, whatever happens to the process: what a crash now would leave. */
export interface Durable extends Base {
  readonly kind: 'durable';
  readonly group: number;
  readonly index: number;
}
/** The member knows that everything up to here is committed. */
export interface Committed extends Base {
  readonly kind: 'committed';
  readonly group: number;
  readonly index: number;
  readonly term: number;
}
/** Applied up to here; `stateHash` null: not computed this time. */
export interface Applied extends Base {
  readonly kind: 'applied';
  readonly group: number;
  readonly index: number;
  readonly stateHash: number | null;
}
/** A streamed snapshot took the place of log and state. */
export interface Installed extends Base {
  readonly kind: 'installed';
  readonly group: number;
  readonly index: number;
  readonly term: number;
  readonly stateHash: number | null;
}
/** Entries below `firstIndex` were compacted away, behind a durable snapshot. */
interface Compacted extends Base {
  readonly kind: 'compacted';
  readonly group: number;
  readonly firstIndex: number;
}
/** In force on this member, from the entry at `index`. */
export interface ConfigurationSeen extends Base {
  readonly kind: 'configuration';
  readonly group: number;
  readonly index: number;
  readonly voters: readonly number[];
  readonly learners: readonly number[];
}
/** This member is sending a client the answer to a write that stands at `index`, its own term's or an older one's. */
export interface Acknowledged extends Base {
  readonly kind: 'acknowledged';
  readonly group: number;
  readonly index: number;
  readonly voters: readonly number[];
  /** What a crash of everything, now, would leave: by voter, the log index that its volume holds. */
  readonly durable: readonly { readonly member: number; readonly index: number }[];
}
/** The member applied the end of these sessions, whose leases had run out. Shown again when it is replayed. */
export interface SessionsExpired extends Base {
  readonly kind: 'expired';
  readonly group: number;
  readonly sessions: readonly number[];
}
/**
 * The member applied a newer generation of a queue, or its deletion: from here on everything that was in it is gone.
 * Shown again when it is replayed.
 */
export interface QueueConfigured extends Base {
  readonly kind: 'queueConfigured';
  readonly group: number;
  readonly queue: string;
  readonly generation: number;
}
/**
 * The member is about to apply that the group rises to `level`; `members`: of the configuration that stands before it in
 * the log, learners too. Shown again when it is replayed.
 */
export interface LevelRaised extends Base {
  readonly kind: 'levelRaised';
  readonly group: number;
  readonly index: number;
  readonly level: number;
  readonly members: readonly number[];
}
/** The cluster was founded anew from one survivor, which is `member`: what only others had is given up. */
interface Recovered extends Base {
  readonly kind: 'recovered';
}

export type Observation =
  | Started
  | RunsAs
  | Stopped
  | VolumeLost
  | Restored
  | RoleChanged
  | Voted
  | Appended
  | Durable
  | Committed
  | Applied
  | Installed
  | Compacted
  | ConfigurationSeen
  | Acknowledged
  | SessionsExpired
  | LevelRaised
  | QueueConfigured
  | Recovered;
