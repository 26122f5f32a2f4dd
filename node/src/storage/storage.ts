import type { GroupId, LogIndex } from '@synccluster/client/protocol';
import type { Entry, HardState, RestoredState, SnapshotMeta } from '../raft/types.ts';

/** What a member writes to its log; all groups share it. */
export type WalRecord =
  /** Replaying discards the group's entries from `entries[0].index` on, then appends. */
  | { readonly type: 'entries'; readonly group: GroupId; readonly entries: readonly Entry[] }
  | { readonly type: 'hardState'; readonly group: GroupId; readonly hardState: HardState }
  /** A local snapshot at `meta.index` is synced; entries below `keepFrom` need not be replayed. */
  | {
      readonly type: 'compact';
      readonly group: GroupId;
      readonly meta: SnapshotMeta;
      readonly keepFrom: LogIndex;
    }
  /** A received snapshot replaced the group's whole log. */
  | { readonly type: 'reset'; readonly group: GroupId; readonly meta: SnapshotMeta };

/** A bad batch with a valid successor, a missing segment, a snapshot that fails its checksum. */
export interface Damage {
  readonly file: string;
  readonly offset: number;
  readonly reason: string;
}

export interface WalStats {
  readonly batches: number;
  readonly syncs: number;
  readonly bytes: number;
  readonly entries: number;
  readonly segments: number;
  /** Durations of write+sync in nanoseconds, drained by whoever exports them. */
  drainSyncNs(): readonly number[];
}

/**
 * Write-ahead log of a member. Batch n+1 is written after batch n is synced; all that was handed in meanwhile,
 * over all groups, goes into it.
 */
export interface Wal {
  /**
   * Queues records behind all earlier ones; `durable` is called once they are synced, in order. A failed write
   * or sync calls `onFatal` instead, and nothing after it.
   */
  write(records: readonly WalRecord[], durable: () => void): void;
  /** Waits for what was handed in, then closes. */
  close(): Promise<void>;
  readonly stats: WalStats;
}

interface Recovered {
  readonly groups: ReadonlyMap<GroupId, RestoredState>;
  /** Non-null: the member must stay visible and not vote; `groups` is what could be read. */
  readonly damage: Damage | null;
  /** A torn last batch was cut off: normal after a crash. */
  readonly tornBytes: number;
}

export interface SnapshotWriter {
  /** At most `SNAPSHOT_CHUNK_BYTES`. */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Syncs file and directory, makes it the newest snapshot of the group, deletes older ones no reader holds. Resolves
   * with the newest: another one, when that came first and reaches further.
   */
  commit(): Promise<SnapshotMeta>;
  abort(): Promise<void>;
}
export interface SnapshotReader extends AsyncDisposable {
  readonly meta: SnapshotMeta;
  readonly sizeBytes: number;
  /** Verified chunk by chunk: throws a `DAMAGED` error at the first bad one. */
  chunks(): AsyncIterable<Uint8Array>;
}
export interface SnapshotStore {
  create(group: GroupId, meta: SnapshotMeta): Promise<SnapshotWriter>;
  /** The newest complete one, kept from deletion until disposed. */
  open(group: GroupId): Promise<SnapshotReader | null>;
}
export const SNAPSHOT_CHUNK_BYTES = 64 * 1024;

/**
 * Who this volume belongs to. Written once, synced; `clusterId` follows when the member is admitted, and changes only
 * by a forced recovery.
 */
export interface Identity {
  readonly memberId: number;
  readonly clusterId: string | null;
  /** The log is still that of the lost cluster: before any group opens, it is made this member's alone. */
  readonly recovering: boolean;
}

export interface Storage {
  readonly wal: Wal;
  readonly snapshots: SnapshotStore;
  readonly recovered: Recovered;
  readonly identity: Identity;
  /** Durable when it resolves. */
  adopt(clusterId: string): Promise<void>;
  /**
   * Forced recovery: the volume belongs to the new cluster, and its log is yet to follow. Durable when it resolves;
   * whatever happens then, each start finds `identity.recovering` until `endRecovery` has.
   */
  startRecovery(clusterId: string): Promise<void>;
  endRecovery(): Promise<void>;
  freeBytes(): Promise<number>;
  /** Moves everything to `aside-<time>/` for people to look at; the next start makes a new identity. */
  setAside(): Promise<void>;
  close(): Promise<void>;
}
