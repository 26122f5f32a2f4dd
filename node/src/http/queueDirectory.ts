import {
  COORDINATION_GROUP,
  type GroupId,
  groupOfSlot,
  QueryOp,
  slotOfPartition,
} from '@synccluster/client/protocol';
import { MemberError } from '../errors.ts';
import type { MemberPort } from './memberPort.ts';
import type { Access } from './route.ts';
import { sleep } from './sleep.ts';

/** A queue of the catalogue. */
export interface QueueEntry {
  readonly name: string;
  readonly generation: number;
  readonly partitions: number;
  readonly visibilityMs: number;
}

const FRESH_MS = 1_000;
/** A declared queue reaches its data groups by commands of its own, a moment after the catalogue. */
const SETTLE_MS = 2_000;
const SETTLE_PAUSE_MS = 20;

/** The slot table, or UNAVAILABLE: before the founding is applied every slot shows 0, which owns no data. */
export function slotTableOf(member: MemberPort): Uint8Array {
  const table = member.slotTable();
  if (table === null || (table[0] ?? 0) === 0) {
    throw new MemberError('UNAVAILABLE', "This member does not know the cluster's slot table yet.");
  }
  return table;
}

/** Group 0's catalogue of queues as this listener last saw it, and the way from a partition to its group. */
export class QueueDirectory {
  readonly #member: MemberPort;
  #queues: ReadonlyMap<string, QueueEntry> = new Map();
  #readAt = Number.NEGATIVE_INFINITY;
  #seenIndex = 0;

  constructor(member: MemberPort) {
    this.#member = member;
  }

  /** What is cached may be wrong: read it again before the next use. */
  forget(): void {
    this.#readAt = Number.NEGATIVE_INFINITY;
  }

  async #read(access: Access, level: 'session' | 'linearizable'): Promise<void> {
    const [, , , , , , queues] = await access.read(COORDINATION_GROUP, [QueryOp.ClusterInspect], level);
    const found = new Map<string, QueueEntry>();
    for (const [name, generation, config] of queues) {
      if (config === null) continue;
      found.set(name, { name, generation, partitions: config[0], visibilityMs: config[1] });
    }
    this.#queues = found;
    this.#readAt = performance.now();
    this.#seenIndex = access.markOf(COORDINATION_GROUP);
  }

  async all(access: Access): Promise<Iterable<QueueEntry>> {
    await this.#read(access, 'session');
    return this.#queues.values();
  }

  /** Throws NOT_FOUND only after the leader's side was asked. */
  async find(access: Access, name: string): Promise<QueueEntry> {
    const fresh =
      performance.now() - this.#readAt < FRESH_MS && access.markOf(COORDINATION_GROUP) <= this.#seenIndex;
    if (!fresh) await this.#read(access, 'session');
    if (!this.#queues.has(name)) await this.#read(access, 'linearizable');
    const entry = this.#queues.get(name);
    if (entry !== undefined) return entry;
    throw new MemberError('NOT_FOUND', 'There is no queue of this name; PUT /v1/queues/{name} declares one.');
  }

  groupOf(name: string, partition: number): GroupId {
    return groupOfSlot(slotTableOf(this.#member), slotOfPartition(name, partition));
  }

  /** Groups that hold a partition of the queue, in order of their number. */
  groupsOf(queue: QueueEntry): readonly GroupId[] {
    const groups = new Set<GroupId>();
    for (let partition = 0; partition < queue.partitions; partition++) {
      groups.add(this.groupOf(queue.name, partition));
    }
    return [...groups].sort((a, b) => a - b);
  }

  /**
   * Runs one command of a queue, again while the group has not heard of a queue that the catalogue has, or while
   * slots move. `run` must find its group anew each time, and must have done nothing when it is refused.
   */
  async settled<T>(access: Access, name: string, run: (queue: QueueEntry) => Promise<T>): Promise<T> {
    const deadline = performance.now() + SETTLE_MS;
    for (;;) {
      const queue = await this.find(access, name);
      try {
        return await run(queue);
      } catch (error) {
        const code = error instanceof MemberError ? error.code : null;
        if (code !== 'NOT_FOUND' && code !== 'MOVED') throw error;
        if (performance.now() >= deadline) {
          throw code === 'MOVED'
            ? error
            : new MemberError('UNAVAILABLE', 'The queue is being set up; send the request again.', {
                cause: error,
              });
        }
        this.forget();
        await sleep(SETTLE_PAUSE_MS, access.signal);
        if (access.signal.aborted) throw access.signal.reason;
      }
    }
  }
}
