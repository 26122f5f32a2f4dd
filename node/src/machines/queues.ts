import {
  type Delivery,
  LIMITS,
  type NewMessage,
  type QueueConfig,
  type Receipt,
  type StampMs,
} from '@synccluster/client/protocol';
import { BytePool } from './bytePool.ts';
import type { CowTable, Freezer } from './cowMap.ts';
import { DueHeap } from './expiry.ts';
import { invariant } from './invariant.ts';
import { firstIdOf } from './lostIds.ts';
import type { Outcome, SnapshotRecord } from './machine.ts';
import { answer, fail, NOTHING, reply } from './outcome.ts';
import type { Message, Partition } from './partition.ts';
import { Queue } from './queue.ts';
import type { Dequeued } from './sessions.ts';
import type { SlotOwnership } from './slotOwnership.ts';

const NO_RECEIPTS: readonly Receipt[] = [];
const NO_QUEUES: ReadonlySet<string> = new Set();

/** The queues' partitions that live in this data group. */
export class Queues {
  /** Newest generation by name, deleted queues included. */
  readonly generations = new Map<string, number>();
  readonly #queues = new Map<string, Queue>();
  readonly #freezer: Freezer;
  readonly #slots: SlotOwnership;
  readonly #pool = new BytePool();
  // Falling due only makes messages ready, and those stand by id: so order among equals of different
  // partitions cannot be seen, and the id is enough of a tie-break.
  readonly #dues = new DueHeap<Message>((message) => message.id);
  #readyQueues = new Set<string>();

  constructor(freezer: Freezer, slots: SlotOwnership) {
    this.#freezer = freezer;
    this.#slots = slots;
  }

  nextDueStampMs(): number {
    return this.#dues.nextDueStampMs();
  }

  takeReadyQueues(): ReadonlySet<string> {
    if (this.#readyQueues.size === 0) return NO_QUEUES;
    const taken = this.#readyQueues;
    this.#readyQueues = new Set();
    return taken;
  }

  /** A newer generation is another queue under the same name: what was in the old one is gone. */
  configure(name: string, generation: number, config: QueueConfig | null): Outcome {
    const known = this.#queues.get(name);
    if (known !== undefined && generation <= known.generation) return NOTHING;
    let firstId = firstIdOf(generation);
    if (known !== undefined) {
      firstId = Math.max(firstId, known.endId());
      for (const partition of known.partitions) partition.dropped = true;
      if (known.partitions.length > 0) this.#dues.retain((message) => !message.partition.dropped);
    }
    this.#put(new Queue(name, generation, config, firstId));
    // Long polls on it must learn that it is gone.
    if (known !== undefined) this.#readyQueues.add(name);
    return NOTHING;
  }

  recovered(): void {
    for (const queue of this.#queues.values()) queue.recovered();
  }

  enqueue(name: string, number: number, messages: readonly NewMessage[], stampMs: StampMs): Outcome {
    const queue = this.#queue(name);
    if (queue === null) return notFound(name);
    const slot = queue.slots[number];
    if (slot === undefined) {
      return fail('INVALID_ARGUMENT', `partition must be below ${queue.slots.length}`);
    }
    if (!this.#slots.owns(slot)) return this.#slots.moved(slot);
    const partition =
      queue.partition(number) ?? queue.openPartition(number, queue.firstId, this.#freezer, this.#dues);
    const ids: number[] = [];
    let ready = false;
    for (const [payload, delayMs] of messages) {
      ids.push(partition.enqueue(this.#pool.keep(payload), delayMs, stampMs));
      if (delayMs === 0) ready = true;
    }
    if (ready) this.#readyQueues.add(name);
    return reply<'QueueEnqueue'>([ids]);
  }

  /**
   * Each dequeue begins behind the partition that the last one began with, so that none starves while the
   * messages of one partition stay in order and together.
   */
  dequeue(name: string, max: number, visibilityMs: number, stampMs: StampMs): Outcome {
    const queue = this.#queue(name);
    if (queue === null) return notFound(name);
    const { partitions, config } = queue;
    const visible = visibilityMs > 0 ? visibilityMs : config![1];
    const taken: Delivery[] = [];
    let sizeBytes = 0;
    const wanting = (): boolean => taken.length < max && sizeBytes < LIMITS.deliveryBytes;
    let first = partitions.findIndex(({ number }) => number >= queue.cursor);
    if (first === -1) first = 0;
    for (let i = 0; i < partitions.length && wanting(); i++) {
      const partition = partitions[(first + i) % partitions.length]!;
      while (wanting()) {
        const message = partition.take(visible, stampMs);
        if (message === null) break;
        if (taken.length === 0) queue.cursor = partition.number + 1;
        taken.push(deliveryOf(message));
        sizeBytes += message.payload.length;
      }
    }
    return reply<'QueueDequeue'>([taken]);
  }

  /** What a dequeue took and is still in flight under the same delivery. */
  redeliver({ queue: name, receipts }: Dequeued): Outcome {
    const queue = this.#queue(name);
    const still: Delivery[] = [];
    for (const [number, id, delivery] of receipts) {
      const message = queue?.partition(number)?.inFlight(id, delivery);
      if (message) still.push(deliveryOf(message));
    }
    return reply<'QueueDequeue'>([still]);
  }

  acknowledge(name: string, receipts: readonly Receipt[]): Outcome {
    return this.#settle(name, receipts, (partition, message) => partition.acknowledge(message));
  }

  giveBack(name: string, receipts: readonly Receipt[], delayMs: number, stampMs: StampMs): Outcome {
    return this.#settle(name, receipts, (partition, message) => {
      partition.giveBack(message, delayMs, stampMs);
      if (delayMs === 0) this.#readyQueues.add(name);
    });
  }

  extend(name: string, receipts: readonly Receipt[], visibilityMs: number, stampMs: StampMs): Outcome {
    return this.#settle(name, receipts, (partition, message) => {
      partition.extend(message, visibilityMs, stampMs);
    });
  }

  expireDue(stampMs: StampMs): void {
    for (;;) {
      const message = this.#dues.popDue(stampMs);
      if (message === null) return;
      message.partition.fallDue(message);
      this.#readyQueues.add(message.partition.queue);
    }
  }

  inspect(name: string): Outcome {
    const queue = this.#queue(name);
    if (queue === null) return notFound(name);
    return answer<'QueueInspect'>([queue.partitions.map((partition) => partition.depth())]);
  }

  hasReady(name: string): Outcome {
    const queue = this.#queue(name);
    return queue === null ? notFound(name) : answer<'QueueWait'>([queue.hasReady()]);
  }

  records(): SnapshotRecord[] {
    return [...this.#queues.values()].map((queue) => queue.record());
  }

  *tables(): IterableIterator<CowTable> {
    for (const queue of this.#queues.values()) {
      for (const partition of queue.partitions) yield partition.messages;
    }
  }

  restoreQueue(record: SnapshotRecord): void {
    const [, name, generation, config, firstId, cursor, partitions] = record as ReturnType<Queue['record']>;
    invariant(!this.#queues.has(name), 'a queue comes once');
    const queue = new Queue(name, generation, config, firstId);
    queue.cursor = cursor;
    for (const [number, nextId] of partitions) queue.openPartition(number, nextId, this.#freezer, this.#dues);
    this.#put(queue);
  }

  restoreMessage(record: SnapshotRecord): void {
    const partition = this.#queues.get(record[1] as string)?.partition(record[2] as number);
    invariant(partition !== undefined, 'a message comes after its queue');
    partition.restore(record, this.#pool);
  }

  restored(): void {
    for (const queue of this.#queues.values()) {
      for (const partition of queue.partitions) partition.restored();
    }
  }

  #put(queue: Queue): void {
    this.#queues.set(queue.name, queue);
    this.generations.set(queue.name, queue.generation);
  }

  #queue(name: string): Queue | null {
    const queue = this.#queues.get(name);
    return queue === undefined || queue.config === null ? null : queue;
  }

  #settle(
    name: string,
    receipts: readonly Receipt[],
    act: (partition: Partition, message: Readonly<Message>) => void,
  ): Outcome {
    const queue = this.#queue(name);
    if (queue === null) return notFound(name);
    let stale: Receipt[] | null = null;
    for (const receipt of receipts) {
      const partition = queue.partition(receipt[0]);
      const message = partition?.inFlight(receipt[1], receipt[2]) ?? null;
      if (partition !== undefined && message !== null) {
        act(partition, message);
      } else {
        stale ??= [];
        stale.push(receipt);
      }
    }
    return reply<'QueueAck'>([receipts.length - (stale?.length ?? 0), stale ?? NO_RECEIPTS]);
  }
}

function deliveryOf(message: Readonly<Message>): Delivery {
  return [message.partition.number, message.id, message.delivery, message.enqueuedStampMs, message.payload];
}

function notFound(name: string): Outcome {
  return fail('NOT_FOUND', `queue "${name}" does not exist in this group`);
}
