import { type QueueConfig, type Slot, slotOfPartition } from '@synccluster/client/protocol';
import type { Freezer } from './cowMap.ts';
import type { DueHeap } from './expiry.ts';
import { pastLost } from './lostIds.ts';
import { type Message, Partition } from './partition.ts';
import { Section } from './section.ts';

/** A queue's share in this group. A deleted queue is kept without partitions, for its generation and ids. */
export class Queue {
  readonly name: string;
  readonly generation: number;
  readonly config: QueueConfig | null;
  /**
   * Where the ids of new partitions begin. A queue that is declared again goes on above its predecessor's ids,
   * so that a receipt of the old one can never acknowledge a message of the new one.
   */
  firstId: number;
  /** Slot of each partition. Derived. */
  readonly slots: readonly Slot[];
  /** By number; made when the first message comes, and then kept for its counter. */
  readonly partitions: Partition[] = [];
  /** Partition number at which the next dequeue begins to look. */
  cursor = 0;

  constructor(name: string, generation: number, config: QueueConfig | null, firstId: number) {
    this.name = name;
    this.generation = generation;
    this.config = config;
    this.firstId = firstId;
    this.slots = Array.from({ length: config?.[0] ?? 0 }, (_, number) => slotOfPartition(name, number));
  }

  /** At most 64: a search costs less than an index. */
  partition(number: number): Partition | undefined {
    for (const partition of this.partitions) {
      if (partition.number === number) return partition;
    }
    return undefined;
  }

  openPartition(number: number, firstId: number, freezer: Freezer, dues: DueHeap<Message>): Partition {
    const partition = new Partition(this.name, number, firstId, freezer, dues);
    this.partitions.push(partition);
    this.partitions.sort((a, b) => a.number - b.number);
    return partition;
  }

  /** The first id that none of its messages ever had. */
  endId(): number {
    return this.partitions.reduce((end, partition) => Math.max(end, partition.nextId), this.firstId);
  }

  /** Receipts that the lost quorum gave out for messages this group never had must stay good for nothing. */
  recovered(): void {
    this.firstId = pastLost(this.endId());
    for (const partition of this.partitions) partition.nextId = this.firstId;
  }

  hasReady(): boolean {
    return this.partitions.some((partition) => partition.ready > 0);
  }

  record() {
    return [
      Section.Queue,
      this.name,
      this.generation,
      this.config,
      this.firstId,
      this.cursor,
      this.partitions.map(({ number, nextId }) => [number, nextId] as const),
    ] as const;
  }
}
