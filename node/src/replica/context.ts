import type { Timer } from '@synccluster/client/clock';
import type { GroupId, LogIndex, MemberId, RosterMember } from '@synccluster/client/protocol';
import type { Logger } from 'pino';
import type { Features } from '../machines/features.ts';
import type { SnapshotStore } from '../storage/storage.ts';
import type { Peer, PeerMessage } from '../transport/transport.ts';
import type { ClusterClock } from './clusterClock.ts';
import type { DiskSpace } from './diskSpace.ts';

/** Timing and sizes of a group's replica. */
export interface ReplicaTuning {
  readonly tickMs: number;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly snapshotEntries: number;
  readonly snapshotBytes: number;
  /** Stay in memory behind a snapshot, so that a follower a little behind needs no snapshot. */
  readonly keptEntries: number;
}

/** What the member gives to each of its groups. */
export interface GroupContext {
  readonly self: Peer;
  readonly logger: Logger;
  readonly tuning: ReplicaTuning;
  /** What this version understands. */
  readonly features: Features;
  readonly snapshots: SnapshotStore;
  readonly clock: ClusterClock;
  /** Monotonic milliseconds. */
  nowMs(): number;
  wallMs(): number;
  after(delayMs: number, run: () => void): Timer;
  /** 0 ≤ x < 1. */
  random(): number;
  send(to: MemberId, message: PeerMessage): boolean;
  /** Something changed in a group: run a pass at the end of this turn. */
  wake(): void;
  /** Highest feature level that the member knows, as far as it said so to this one. */
  levelOf(id: MemberId): number;
  /** May be handed a leadership: linked and not about to go. */
  mayLead(id: MemberId): boolean;
  readonly disk: Pick<DiskSpace, 'refuses' | 'refusing' | 'pressed' | 'snapshotRunning' | 'wroteSnapshot'>;
  /** As this member has applied it, up to `index` of group 0; null before the first. */
  roster(): {
    readonly members: readonly RosterMember[];
    readonly tombstones: ReadonlySet<MemberId>;
    readonly index: LogIndex;
  } | null;
  /** How far group 0 has come by now, asked of its leader; rejects when that does not answer. */
  askCoordinationIndex(): Promise<LogIndex>;
  /** Group 0 only: the id is out of every data group as far as this member has applied them. */
  isOutOfDataGroups(id: MemberId): boolean;
  /** Told just before a client is told that its write stands at `index`. */
  readonly acknowledging?: ((group: GroupId, index: LogIndex) => void) | undefined;
  /** This member is wrong or its disk is: end the process. */
  fatal(error: unknown): void;
}
