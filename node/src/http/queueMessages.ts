import {
  LIMITS,
  type NewMessage,
  Op,
  partitionOfKey,
  QueryOp,
  type QueueAck,
  type QueueExtend,
  type QueueNack,
  type Receipt,
} from '@synccluster/client/protocol';
import { MemberError } from '../errors.ts';
import type { QueueDirectory, QueueEntry } from './queueDirectory.ts';
import { parseReceipt, receiptText } from './receipt.ts';
import type { Access } from './route.ts';
import { header } from './sessions.ts';
import { sleep } from './sleep.ts';

/** A message to enqueue, its body already bytes. */
export interface Outgoing {
  bytes: Uint8Array;
  key: string | undefined;
  delayMs: number;
}

/** A message as delivered; `receipt` is opaque. */
export interface Incoming {
  receipt: string;
  bytes: Uint8Array;
  deliveries: number;
  enqueuedAtMs: number;
}

/** Room for opcode, header and framing of an enqueue beside its messages. */
const COMMAND_BYTES = LIMITS.commandBytes - 4096;
const MESSAGE_OVERHEAD_BYTES = 16;
const WAIT_FAILED_PAUSE_MS = 100;

/** What HTTP does with the messages of queues; one per listener. */
export class QueueMessages {
  readonly #directory: QueueDirectory;
  /** Where the next message without a key, and the next dequeue, begin: so that no partition is preferred. */
  #turn = 0;

  constructor(directory: QueueDirectory) {
    this.#directory = directory;
  }

  /** Returns ids in the order of the messages. Messages of one key keep their order. */
  async enqueue(access: Access, name: string, messages: readonly Outgoing[]): Promise<string[]> {
    const queue = await this.#directory.find(access, name);
    const unkeyed = this.#turn++ % queue.partitions;
    const commands = toCommands(messages, (message) =>
      message.key === undefined ? unkeyed : partitionOfKey(message.key, queue.partitions),
    );
    const ids: string[] = new Array(messages.length);
    let stored = 0;
    const failures: unknown[] = [];
    await Promise.all(
      commands.map(async (batches, partition) => {
        try {
          // One after another: a key's later message must not overtake its earlier one.
          for (const batch of batches) {
            const [given] = await this.#directory.settled(access, name, () =>
              access.write(this.#directory.groupOf(name, partition), [
                ...header(Op.QueueEnqueue),
                name,
                partition,
                batch.messages,
              ]),
            );
            for (let i = 0; i < batch.positions.length; i++) {
              ids[batch.positions[i]!] = `${partition}-${given[i]}`;
            }
            stored += batch.positions.length;
          }
        } catch (error) {
          failures.push(error);
        }
      }),
    );
    if (failures.length === 0) return ids;
    const first = failures[0];
    if (stored === 0 || !(first instanceof MemberError)) throw first;
    throw new MemberError(
      first.code,
      `${first.message} (${stored} of ${messages.length} messages were stored before that)`,
      { cause: first },
    );
  }

  /** Takes up to `max` messages; waits up to `waitMs` for the first. */
  async dequeue(
    access: Access,
    name: string,
    max: number,
    waitMs: number,
    visibilityMs: number,
  ): Promise<Incoming[]> {
    const deadline = performance.now() + waitMs;
    for (;;) {
      const messages = await this.#take(access, name, max, visibilityMs);
      if (access.signal.aborted) {
        await this.#giveBack(access, name, messages);
        throw access.signal.reason;
      }
      if (messages.length > 0) return messages;
      const left = Math.floor(deadline - performance.now());
      if (left <= 0) return [];
      await this.#waitForAny(access, name, left);
      if (access.signal.aborted) throw access.signal.reason;
    }
  }

  async #take(access: Access, name: string, max: number, visibilityMs: number): Promise<Incoming[]> {
    const queue = await this.#directory.find(access, name);
    const groups = this.#directory.groupsOf(queue);
    const first = this.#turn++;
    const taken: Incoming[] = [];
    const failures: unknown[] = [];
    for (let i = 0; i < groups.length && taken.length < max; i++) {
      const position = (first + i) % groups.length;
      try {
        const [deliveries] = await this.#directory.settled(access, name, (now) =>
          // Groups are counted anew, for slots may have moved.
          access.write(groupAt(this.#directory, now, position), [
            ...header(Op.QueueDequeue),
            name,
            max - taken.length,
            visibilityMs,
          ]),
        );
        for (const [partition, id, delivery, enqueuedAtMs, bytes] of deliveries) {
          taken.push({
            receipt: receiptText([partition, id, delivery]),
            bytes,
            deliveries: delivery,
            enqueuedAtMs,
          });
        }
      } catch (error) {
        failures.push(error);
      }
    }
    // What one group gave is not held back because another one failed: it is the caller's now.
    if (taken.length === 0 && failures.length > 0) throw failures[0];
    return taken;
  }

  /** Until some group has a message ready, or `waitMs` have passed. */
  async #waitForAny(access: Access, name: string, waitMs: number): Promise<void> {
    const queue = await this.#directory.find(access, name);
    const enough = new AbortController();
    const signal = AbortSignal.any([enough.signal, access.signal]);
    const polls = this.#directory.groupsOf(queue).map(async (group) => {
      try {
        const [ready] = await access.read(
          group,
          [QueryOp.QueueWait, name, Math.min(waitMs, LIMITS.longPollMaxMs)],
          'session',
          signal,
        );
        if (ready) enough.abort();
      } catch {
        // A group without a leader must not end the wait on the others; the next dequeue says what is wrong.
        await sleep(Math.min(waitMs, WAIT_FAILED_PAUSE_MS), signal);
        enough.abort();
      }
    });
    await Promise.all(polls);
  }

  /** Nobody will process them: they are ready again at once instead of after the visibility timeout. */
  async #giveBack(access: Access, name: string, messages: readonly Incoming[]): Promise<void> {
    if (messages.length === 0) return;
    const receipts = messages.map(({ receipt }) => receipt);
    await this.settle(access, name, receipts, (mine) => [...header(Op.QueueNack), name, mine, 0]);
  }

  /** Sends ack, nack or extend to the groups that gave the receipts. */
  async settle(
    access: Access,
    name: string,
    receipts: readonly string[],
    command: (mine: readonly Receipt[]) => SettleCommand,
  ): Promise<{ done: number; stale: string[] }> {
    const byPartition = Map.groupBy(
      receipts.map((receipt, i) => parseReceipt(receipt, `receipts[${i}]`)),
      ([partition]) => partition,
    );
    await this.#directory.find(access, name);
    const byGroup = Map.groupBy(byPartition, ([partition]) => this.#directory.groupOf(name, partition));
    const results = await Promise.allSettled(
      [...byGroup.values()].map((parts) => {
        const [partition] = parts[0]!;
        return this.#directory.settled(access, name, () =>
          access.write(this.#directory.groupOf(name, partition), command(parts.flatMap(([, mine]) => mine))),
        );
      }),
    );
    let done = 0;
    const stale: string[] = [];
    for (const result of results) {
      if (result.status === 'rejected') throw result.reason;
      done += result.value[0];
      stale.push(...result.value[1].map(receiptText));
    }
    return { done, stale };
  }
}

type SettleCommand = QueueAck | QueueNack | QueueExtend;

function groupAt(directory: QueueDirectory, queue: QueueEntry, position: number) {
  const groups = directory.groupsOf(queue);
  return groups[position % groups.length]!;
}

interface Batch {
  readonly messages: NewMessage[];
  /** Where in the request each of them stood. */
  readonly positions: number[];
}

/** Splits messages by partition, and each partition's so that every command keeps within its limits. */
function toCommands(messages: readonly Outgoing[], partitionOf: (message: Outgoing) => number): Batch[][] {
  const byPartition: Batch[][] = [];
  const sizes = new Map<Batch, number>();
  messages.forEach((message, position) => {
    const partition = partitionOf(message);
    byPartition[partition] ??= [];
    const batches = byPartition[partition];
    const bytes = message.bytes.length + MESSAGE_OVERHEAD_BYTES;
    let batch = batches.at(-1);
    if (
      batch === undefined ||
      (sizes.get(batch) ?? 0) + bytes > COMMAND_BYTES ||
      batch.messages.length >= LIMITS.batchMessages
    ) {
      batch = { messages: [], positions: [] };
      batches.push(batch);
    }
    batch.messages.push([message.bytes, message.delayMs]);
    batch.positions.push(position);
    sizes.set(batch, (sizes.get(batch) ?? 0) + bytes);
  });
  return byPartition;
}
