import {
  type Command,
  type Delivery,
  Op,
  type Query,
  QueryOp,
  type StampMs,
} from '@synccluster/client/protocol';
import { Cache } from './cache.ts';
import type { CowTable } from './cowMap.ts';
import type { MachineOptions, Outcome, SnapshotRecord } from './machine.ts';
import { reply } from './outcome.ts';
import { Queues } from './queues.ts';
import { ReplicatedMachine } from './replicatedMachine.ts';
import { Section } from './section.ts';
import type { Dequeued, StoredReply } from './sessions.ts';
import { SlotOwnership } from './slotOwnership.ts';

/** Groups 1…N: queue partitions and cache entries of the slots they own. */
export class DataMachine extends ReplicatedMachine {
  #slots = new SlotOwnership(this.group);
  #queues = new Queues(this.freezer, this.#slots);
  #cache = new Cache(this.freezer, this.#slots, this.tokens);

  constructor(options: MachineOptions) {
    super(options);
  }

  /** False until the log has assigned slots: then everything answers `MOVED`. */
  ownsSlots(): boolean {
    return this.#slots.epoch > 0;
  }

  slotEpoch(): number {
    return this.#slots.epoch;
  }

  /** Newest generation of each queue that this group was told of, deleted ones included; live. */
  queueGenerations(): ReadonlyMap<string, number> {
    return this.#queues.generations;
  }

  override nextDueStampMs(): number {
    return Math.min(this.#queues.nextDueStampMs(), this.#cache.nextDueStampMs());
  }

  override takeReadyQueues(): ReadonlySet<string> {
    return this.#queues.takeReadyQueues();
  }

  override query(query: Query): Outcome | null {
    switch (query[0]) {
      case QueryOp.QueueInspect:
        return this.#queues.inspect(query[1]);
      case QueryOp.QueueWait:
        return this.#queues.hasReady(query[1]);
      case QueryOp.CacheGet:
        return this.#cache.get(query[1]);
      case QueryOp.SessionInspect:
        return this.inspectSession(query);
      default:
        return null;
    }
  }

  protected override execute(command: Command, stampMs: StampMs): Outcome {
    switch (command[0]) {
      case Op.SlotsAssign:
        return this.#slots.assign(command[5], command[6], command[7]);
      case Op.QueueConfigure:
        return this.#queues.configure(command[5], command[6], command[7]);
      case Op.Recover:
        this.#queues.recovered();
        return reply<'Recover'>([0]);
      case Op.QueueEnqueue:
        return this.#queues.enqueue(command[5], command[6], command[7], stampMs);
      case Op.QueueDequeue:
        return this.#queues.dequeue(command[5], command[6], command[7], stampMs);
      case Op.QueueAck:
        return this.#queues.acknowledge(command[5], command[6]);
      case Op.QueueNack:
        return this.#queues.giveBack(command[5], command[6], command[7], stampMs);
      case Op.QueueExtend:
        return this.#queues.extend(command[5], command[6], command[7], stampMs);
      case Op.CachePut:
        return this.#cache.put(command[5], command[6], command[7], stampMs);
      case Op.CacheDelete:
        return this.#cache.delete(command[5], stampMs);
      default:
        return this.unsupported(command);
    }
  }

  protected override expireDue(stampMs: StampMs): void {
    this.#queues.expireDue(stampMs);
    this.#cache.expireDue(stampMs);
  }

  protected override sessionEnded(): void {}

  protected override stored(command: Command, outcome: Outcome): StoredReply {
    if (command[0] !== Op.QueueDequeue || !outcome.ok) return outcome;
    const [taken] = outcome.value as readonly [readonly Delivery[]];
    if (taken.length === 0) return outcome;
    return {
      ok: null,
      queue: command[5],
      receipts: taken.map(([partition, id, delivery]) => [partition, id, delivery] as const),
    };
  }

  protected override redeliver(dequeued: Dequeued): Outcome {
    return this.#queues.redeliver(dequeued);
  }

  protected override fixedRecords(): SnapshotRecord[] {
    return [this.#slots.record(), ...this.#queues.records()];
  }

  protected override tables(): CowTable[] {
    return [this.sessionTable.table, this.#cache.entries, ...this.#queues.tables()];
  }

  protected override clear(): void {
    this.#slots = new SlotOwnership(this.group);
    this.#queues = new Queues(this.freezer, this.#slots);
    this.#cache = new Cache(this.freezer, this.#slots, this.tokens);
  }

  protected override restoreRecord(record: SnapshotRecord): boolean {
    switch (record[0]) {
      case Section.Slots:
        this.#slots.restore(record);
        return true;
      case Section.Queue:
        this.#queues.restoreQueue(record);
        return true;
      case Section.Message:
        this.#queues.restoreMessage(record);
        return true;
      case Section.CacheEntry:
        this.#cache.restore(record);
        return true;
      default:
        return false;
    }
  }

  protected override restored(): void {
    this.#queues.restored();
  }
}
