import { type Done, isDone, type Operation } from '../history/operations.ts';
import { Incarnations, NO_EVIDENCE } from './incarnations.ts';
import { type MessageHistory, type QueueHistory, queueHistories } from './messages.ts';
import { broken, type Violation } from './violation.ts';

const NAME = 'queue order';

/**
 * Messages of one key stay in order. A key's messages share a partition; there they get rising ids in the order in
 * which they were accepted, and the lowest id that is ready is delivered first, so a message that was sent without
 * delay is first delivered no later than those behind it. (A message that comes back is delivered again after its
 * successors may have been: that is what at-least-once means.) Where a queue is deleted and declared anew, ids go on
 * rising; but its partitions may be others, and what a sender sends again may be overtaken.
 */
export function checkQueueOrder(
  operations: readonly Operation[],
  lives: Incarnations = new Incarnations(operations, NO_EVIDENCE),
): Violation[] {
  return queueHistories(operations).flatMap((queue) => [
    ...(lives.comesAndGoes(queue.queue)
      ? []
      : [...keysStay(queue), ...producersKeepOrder(queue, operations)]),
    ...idsRise(queue),
    ...repliesRise(queue),
    ...firstDeliveriesInOrder(queue),
  ]);
}

interface Sent {
  readonly partition: number;
  readonly message: number;
  readonly enqueue: Done<'enqueue'>;
}

function sent(messages: Iterable<MessageHistory>): Sent[] {
  const all: Sent[] = [];
  for (const { enqueue } of messages) {
    if (enqueue !== null && isDone(enqueue)) all.push({ ...enqueue.answer, enqueue });
  }
  return all;
}

function keysStay({ queue, messages }: QueueHistory): Violation[] {
  const violations: Violation[] = [];
  const partitionOf = new Map<string, Sent>();
  for (const one of sent(messages.values())) {
    const { key } = one.enqueue.call;
    if (key === null) continue;
    const other = partitionOf.get(key);
    if (other === undefined) partitionOf.set(key, one);
    else if (other.partition !== one.partition) {
      violations.push(
        broken(
          NAME,
          `queue "${queue}": messages of key "${key}" are in partitions ${other.partition} and ${one.partition}`,
          [other.enqueue, one.enqueue],
        ),
      );
    }
  }
  return violations;
}

/** An enqueue that began when another was through got the higher id. */
function idsRise({ queue, messages }: QueueHistory): Violation[] {
  const violations: Violation[] = [];
  for (const [partition, all] of groupBy(sent(messages.values()), (one) => one.partition)) {
    const begun = [...all].sort((a, b) => a.enqueue.invoked.order - b.enqueue.invoked.order);
    const through = [...all].sort((a, b) => a.enqueue.completed.order - b.enqueue.completed.order);
    let at = 0;
    let highest: Sent | null = null;
    for (const one of begun) {
      while (at < through.length && through[at]!.enqueue.completed.order < one.enqueue.invoked.order) {
        const candidate = through[at++]!;
        if (highest === null || candidate.message > highest.message) highest = candidate;
      }
      if (highest === null || one.message > highest.message) continue;
      violations.push(
        broken(
          NAME,
          `queue "${queue}", partition ${partition}: id ${one.message} was given out after id ${highest.message}`,
          [highest.enqueue, one.enqueue],
        ),
      );
    }
  }
  return violations;
}

/**
 * What one client sent of one key, without waiting for the answers, keeps its order, as long as its session lives: a
 * session's writes are applied in sequence. (What had not been sent when a session ended goes under the next one, and
 * may be overtaken.)
 */
function producersKeepOrder(
  { queue, messages }: QueueHistory,
  operations: readonly Operation[],
): Violation[] {
  const violations: Violation[] = [];
  const losses = groupBy(
    operations.filter(({ kind }) => kind === 'sessionLost'),
    ({ client }) => client,
  );
  const keyed = sent(messages.values()).filter(({ enqueue }) => enqueue.call.key !== null);
  const streams = groupBy(keyed, ({ enqueue }) => JSON.stringify([enqueue.client, enqueue.call.key]));
  for (const stream of streams.values()) {
    stream.sort((a, b) => a.enqueue.invoked.order - b.enqueue.invoked.order);
    for (let i = 1; i < stream.length; i++) {
      const [before, one] = [stream[i - 1]!, stream[i]!];
      if (one.message > before.message || one.partition !== before.partition) continue;
      const from = before.enqueue.invoked.order;
      const to = Math.max(before.enqueue.completed.order, one.enqueue.completed.order);
      const lost = losses.get(one.enqueue.client) ?? [];
      if (lost.some(({ invoked }) => invoked.order > from && invoked.order < to)) continue;
      violations.push(
        broken(
          NAME,
          `queue "${queue}": client ${one.enqueue.client} sent message ${before.message} before message ${one.message}`,
          [before.enqueue, one.enqueue],
        ),
      );
    }
  }
  return violations;
}

/** One dequeue takes the lowest ids first. */
function repliesRise({ queue, receives }: QueueHistory): Violation[] {
  const violations: Violation[] = [];
  for (const receive of receives) {
    if (!isDone(receive)) continue;
    for (const [partition, records] of groupBy(receive.answer.deliveries, (record) => record.partition)) {
      for (let i = 1; i < records.length; i++) {
        if (records[i]!.message > records[i - 1]!.message) continue;
        violations.push(
          broken(
            NAME,
            `queue "${queue}", partition ${partition}: one receive gave ${records[i - 1]!.message} before ${records[i]!.message}`,
            [receive],
          ),
        );
      }
    }
  }
  return violations;
}

interface FirstDelivery {
  readonly message: number;
  readonly receive: Done<'receive'>;
  /** False: it stood back for a while, so others rightly went before it. */
  readonly atOnce: boolean;
}

function firstDeliveriesInOrder({ queue, messages }: QueueHistory): Violation[] {
  const firsts = new Map<number, FirstDelivery[]>();
  for (const { enqueue, deliveries } of messages.values()) {
    for (const { receive, record } of deliveries) {
      if (record.delivery !== 1) continue;
      const first = { message: record.message, receive, atOnce: enqueue?.call.delayMs === 0 };
      const known = firsts.get(record.partition);
      if (known === undefined) firsts.set(record.partition, [first]);
      else known.push(first);
    }
  }
  const violations: Violation[] = [];
  for (const [partition, all] of firsts) {
    all.sort((a, b) => a.message - b.message);
    // Going down the ids: of those behind, the one whose first delivery was through earliest.
    let earliest: FirstDelivery | null = null;
    for (let i = all.length - 1; i >= 0; i--) {
      const one = all[i]!;
      if (earliest !== null && one.atOnce && earliest.receive.completed.order < one.receive.invoked.order) {
        violations.push(
          broken(
            NAME,
            `queue "${queue}", partition ${partition}: message ${earliest.message} was delivered before message ${one.message}`,
            [earliest.receive, one.receive],
          ),
        );
      }
      if (earliest === null || one.receive.completed.order < earliest.receive.completed.order) earliest = one;
    }
  }
  return violations;
}

function groupBy<K, V>(values: Iterable<V>, keyOf: (value: V) => K): Map<K, V[]> {
  const groups = new Map<K, V[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}
