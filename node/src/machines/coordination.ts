import {
  type Command,
  Op,
  type Query,
  QueryOp,
  type Recover,
  type SessionId,
  type StampMs,
} from '@synccluster/client/protocol';
import { Catalogue, type CatalogueEntry } from './catalogue.ts';
import type { CowTable } from './cowMap.ts';
import { InvariantError } from './invariant.ts';
import { Locks } from './locks.ts';
import { pastLost } from './lostIds.ts';
import type { MachineOptions, Outcome, PushEvent, SnapshotRecord } from './machine.ts';
import { answer, fail } from './outcome.ts';
import { ReplicatedMachine } from './replicatedMachine.ts';
import { Cluster, type RosterView } from './roster.ts';
import { Section } from './section.ts';
import type { Dequeued, StoredReply } from './sessions.ts';

const NO_QUEUES: ReadonlySet<string> = new Set();

/** Group 0: locks, the catalogue of queues, the roster and the slot table. */
export class CoordinationMachine extends ReplicatedMachine {
  #cluster = new Cluster();
  #catalogue = new Catalogue();
  #locks = this.#newLocks();

  constructor(options: MachineOptions) {
    super(options);
  }

  /** Empty until the cluster is founded. */
  clusterId(): string {
    return this.#cluster.clusterId;
  }

  /** Number of data groups; 0 until the cluster is founded. */
  shards(): number {
    return this.#cluster.shards;
  }

  /** 0 until the cluster is founded. */
  slotEpoch(): number {
    return this.#cluster.slotEpoch;
  }

  /** Group of each slot; not to be changed. */
  slotTable(): Uint8Array {
    return this.#cluster.slotTable;
  }

  /** The same object until the roster changes. */
  roster(): RosterView {
    return this.#cluster.roster;
  }

  /** Sorted by name; the same array until the catalogue changes. */
  catalogue(): readonly CatalogueEntry[] {
    return this.#catalogue.entries();
  }

  override nextDueStampMs(): number {
    return this.#locks.nextDueStampMs();
  }

  override takeReadyQueues(): ReadonlySet<string> {
    return NO_QUEUES;
  }

  override query(query: Query): Outcome | null {
    switch (query[0]) {
      case QueryOp.LockInspect:
        return this.#locks.inspect(query[1]);
      case QueryOp.LockWaiters:
        return this.#locks.waiterStates(query[1], query[2]);
      case QueryOp.ClusterInspect: {
        const { clusterId, slotEpoch, slotTable, roster } = this.#cluster;
        const { version, members, tombstones } = roster;
        const queues = this.#catalogue.entries();
        return answer<'ClusterInspect'>([
          clusterId,
          slotEpoch,
          slotTable,
          version,
          members,
          tombstones,
          queues,
        ]);
      }
      case QueryOp.SessionInspect:
        return this.inspectSession(query);
      default:
        return null;
    }
  }

  protected override execute(command: Command, stampMs: StampMs): Outcome {
    const session = command[2];
    switch (command[0]) {
      case Op.LockAcquire:
        if (session === 0) return NEEDS_SESSION;
        return this.#locks.acquire(session, command[5], command[6], command[7], stampMs);
      case Op.LockRelease:
        if (session === 0) return NEEDS_SESSION;
        return this.#locks.release(session, command[5], command[6], stampMs);
      case Op.LockCancel:
        if (session === 0) return NEEDS_SESSION;
        return this.#locks.cancel(session, command[5], stampMs);
      case Op.QueueDeclare:
        return this.#catalogue.declare(command[5], command[6]);
      case Op.QueueDelete:
        return this.#catalogue.delete(command[5]);
      case Op.Genesis:
        return this.#cluster.genesis(command[5], command[6], command[7], command[8]);
      case Op.RosterChange:
        return this.#cluster.change(command[5], command[6]);
      case Op.Recover:
        return this.#recover(command);
      default:
        return this.unsupported(command);
    }
  }

  #recover([, , , , , clusterId, member, ordinal]: Recover): Outcome {
    const outcome = this.#cluster.recover(clusterId, member, ordinal);
    if (!outcome.ok) return outcome;
    this.#catalogue.recovered();
    this.#locks.lastClaimId = pastLost(this.#locks.lastClaimId);
    return outcome;
  }

  protected override expireDue(stampMs: StampMs): void {
    this.#locks.expireDue(stampMs);
  }

  protected override sessionEnded(session: SessionId, stampMs: StampMs): void {
    this.#locks.sessionEnded(session, stampMs);
  }

  protected override stored(_command: Command, outcome: Outcome): StoredReply {
    return outcome;
  }

  protected override redeliver(_dequeued: Dequeued): Outcome {
    throw new InvariantError('group 0 stores no dequeue');
  }

  protected override fixedRecords(): SnapshotRecord[] {
    return [
      [Section.LockCounters, this.#locks.lastClaimId],
      this.#cluster.record(),
      ...this.#catalogue.records(),
    ];
  }

  protected override tables(): CowTable[] {
    return [this.sessionTable.table, this.#locks.claims];
  }

  protected override clear(): void {
    this.#cluster = new Cluster();
    this.#catalogue = new Catalogue();
    this.#locks = this.#newLocks();
  }

  protected override restoreRecord(record: SnapshotRecord): boolean {
    switch (record[0]) {
      case Section.Claim:
        this.#locks.restore(record);
        return true;
      case Section.LockCounters:
        this.#locks.lastClaimId = record[1] as number;
        return true;
      case Section.Cluster:
        this.#cluster.restore(record);
        return true;
      case Section.CatalogueCounters:
        this.#catalogue.lastGeneration = record[1] as number;
        return true;
      case Section.CatalogueEntry:
        this.#catalogue.restore(record);
        return true;
      default:
        return false;
    }
  }

  protected override restored(): void {
    this.#locks.restored((session) => this.sessionTable.get(session) !== undefined);
  }

  #newLocks(): Locks {
    return new Locks(this.freezer, this.tokens, (event: PushEvent) => this.push(event));
  }
}

const NEEDS_SESSION = fail('INVALID_ARGUMENT', 'a lock belongs to a session: session must not be 0');
