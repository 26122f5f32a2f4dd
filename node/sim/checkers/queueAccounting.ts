import { type Done, isDone, type Operation } from '../history/operations.ts';
import { Incarnations, NO_EVIDENCE } from './incarnations.ts';
import { eventsOf, type MessageHistory, type QueueHistory, queueHistories } from './messages.ts';
import { broken, undecided, type Violation } from './violation.ts';

const NAME = 'queue accounting';

/**
 * Every acknowledged message is exactly one of queued, delivered and not acknowledged, or acknowledged; nothing
 * comes out that nobody sent, and nothing comes out after its acknowledgement. What is still queued is told by the
 * last look at the queue's depth, which the final audit takes when everything else has come back; `isWhole`
 * false: the history ends before that. What was in a queue that is deleted is gone and never comes back.
 */
export function checkQueueAccounting(
  operations: readonly Operation[],
  isWhole = true,
  lives: Incarnations = new Incarnations(operations, NO_EVIDENCE),
): Violation[] {
  return queueHistories(operations).flatMap((queue) => [
    ...eachMessage(queue),
    ...deletedForGood(queue, lives),
    ...(isWhole ? balance(queue, operations, lives) : []),
  ]);
}

function eachMessage({ queue, messages }: QueueHistory): Violation[] {
  const violations: Violation[] = [];
  for (const message of messages.values()) {
    const { enqueue, deliveries, payload } = message;
    const complain = (what: string): void => {
      violations.push(broken(NAME, `queue "${queue}", message "${payload}": ${what}`, eventsOf(message)));
    };
    const first = deliveries[0];
    if (first !== undefined) {
      if (enqueue === null) complain('was delivered and never sent');
      else if (enqueue.outcome === 'fail') complain('was delivered although its enqueue was refused');
      else if (enqueue.invoked.order > first.receive.completed.order)
        complain('was delivered before it was sent');
    }
    const acked = message.acks.filter(isDone);
    if (acked.length > 1) complain('was acknowledged twice');
    for (const ack of acked) {
      // An ack succeeds only while its delivery is the latest: a later one means that the message outlived it.
      const later = deliveries.find(({ record }) => record.delivery > ack.call.delivery);
      if (later !== undefined) {
        complain(
          `was delivered for the ${later.record.delivery}. time, its delivery ${ack.call.delivery} acknowledged`,
        );
      }
      const after = deliveries.find(({ receive }) => receive.invoked.order > ack.completed.order);
      if (after !== undefined && after !== later) complain('was delivered after it was acknowledged');
    }
  }
  return violations;
}

/** Nothing of a queue outlives its deletion: no message comes out of the next one of that name, no receipt is good. */
function deletedForGood({ queue, messages }: QueueHistory, lives: Incarnations): Violation[] {
  if (!lives.comesAndGoes(queue)) return [];
  const violations: Violation[] = [];
  for (const message of messages.values()) {
    const where = stoodIn(message);
    if (where === null) continue;
    const after = lives.ends(queue, where.partition).find(({ from }) => from > where.by);
    if (after === undefined) continue;
    const { payload, deliveries, acks } = message;
    const complain = (what: string): void => {
      violations.push(
        broken(
          NAME,
          `queue "${queue}", message "${payload}": ${what} its queue had been deleted`,
          eventsOf(message),
        ),
      );
    };
    if (deliveries.some(({ receive }) => receive.invoked.order > after.to)) complain('was delivered after');
    if (acks.some((ack) => isDone(ack) && ack.invoked.order > after.to)) complain('was acknowledged after');
  }
  return violations;
}

/** Its partition, and a moment by which it was in there; null: nobody knows. */
function stoodIn({ enqueue, deliveries }: MessageHistory): {
  readonly partition: number;
  readonly by: number;
} | null {
  const sent =
    enqueue !== null && isDone(enqueue)
      ? { partition: enqueue.answer.partition, by: enqueue.completed.order }
      : null;
  const first = deliveries[0];
  const seen =
    first === undefined ? null : { partition: first.record.partition, by: first.receive.completed.order };
  if (sent === null || seen === null) return sent ?? seen;
  return sent.by < seen.by ? sent : seen;
}

type Fate = 'gone' | 'left' | 'maybe';

/** What a message must be when everything has come back. */
function fateOf(message: MessageHistory, lives: Incarnations): Fate {
  const { queue, enqueue, acks } = message;
  if (acks.some(isDone)) return 'gone';
  if (enqueue === null || enqueue.outcome === 'fail') return 'gone';
  if (lives.comesAndGoes(queue)) {
    const where = stoodIn(message);
    if (where === null) return 'maybe';
    if (lives.isGone(queue, where.partition, where.by)) return 'gone';
    if (!lives.inLastLife(queue, where.partition, enqueue.invoked.order)) return 'maybe';
  }
  // An unanswered enqueue may never have happened, and an unanswered ack may have.
  return enqueue.outcome === 'ok' && acks.every(({ outcome }) => outcome === 'fail') ? 'left' : 'maybe';
}

function balance(
  { queue, messages, inspects }: QueueHistory,
  operations: readonly Operation[],
  lives: Incarnations,
): Violation[] {
  if (messages.size === 0) return [];
  const last = lastInspect(inspects);
  const later = last === null ? null : laterChange(queue, last, operations);
  if (last === null || later !== null) {
    return [
      undecided(
        NAME,
        `queue "${queue}": nobody looked at its depth after everything else had come back`,
        later === null ? [] : [later],
      ),
    ];
  }
  const all = [...messages.values()];
  // What was delivered stood in the queue, even if its enqueue was never answered.
  const left = all.filter((message) => fateOf(message, lives) === 'left');
  const maybe = all.filter((message) => fateOf(message, lives) === 'maybe');
  const depth = last.answer.partitions.reduce(
    (sum, { ready, inFlight, delayed }) => sum + ready + inFlight + delayed,
    0,
  );
  const violations: Violation[] = [];
  if (depth < left.length) {
    const lost = left.length - depth;
    violations.push(
      broken(
        NAME,
        `queue "${queue}" holds ${depth} messages, and ${left.length} that were acknowledged to their senders ` +
          `were never acknowledged by a receiver: ${lost} are lost, among ${names(left)}`,
        [...left.slice(0, 5).flatMap(eventsOf), last],
      ),
    );
  }
  if (depth > left.length + maybe.length) {
    violations.push(
      broken(
        NAME,
        `queue "${queue}" holds ${depth} messages: ${depth - left.length - maybe.length} more than can be accounted for`,
        [last],
      ),
    );
  }
  return violations;
}

function lastInspect(inspects: readonly Operation<'queueInspect'>[]): Done<'queueInspect'> | null {
  let last: Done<'queueInspect'> | null = null;
  for (const inspect of inspects) {
    if (isDone(inspect) && (last === null || inspect.invoked.order > last.invoked.order)) last = inspect;
  }
  return last;
}

/** An operation that certainly or possibly changed the depth after the look at it. */
function laterChange(
  queue: string,
  last: Done<'queueInspect'>,
  operations: readonly Operation[],
): Operation | null {
  for (const operation of operations) {
    const { kind } = operation;
    if (kind !== 'enqueue' && kind !== 'ack' && kind !== 'queueDelete') continue;
    if (operation.call.queue !== queue || operation.outcome === 'fail') continue;
    if (operation.outcome === 'ok' && (operation.completed?.order ?? 0) > last.invoked.order)
      return operation;
    if (operation.outcome === 'unknown' && operation.invoked.order > last.invoked.order) return operation;
  }
  return null;
}

function names(messages: readonly MessageHistory[]): string {
  return messages
    .slice(0, 10)
    .map(({ payload }) => `"${payload}"`)
    .join(', ');
}
