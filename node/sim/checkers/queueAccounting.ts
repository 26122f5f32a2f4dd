import { type Done, isDone, type Operation } from '../history/operations.ts';
import { eventsOf, type MessageHistory, type QueueHistory, queueHistories } from './messages.ts';
import { broken, undecided, type Violation } from './violation.ts';

const NAME = 'queue accounting';

/**
 * Every acknowledged message is exactly one of queued, delivered and not acknowledged, or acknowledged; nothing
 * comes out that nobody sent, and nothing comes out after its acknowledgement. What is still queued is told by the
 * last look at the queue's depth, which the final audit takes when everything else has come back; `isWhole`
 * false: the history ends before that.
 */
export function checkQueueAccounting(operations: readonly Operation[], isWhole = true): Violation[] {
  return queueHistories(operations).flatMap((queue) => [
    ...eachMessage(queue),
    ...(isWhole ? balance(queue, operations) : []),
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

type Fate = 'gone' | 'left' | 'maybe';

/** What a message must be when everything has come back. */
function fateOf({ enqueue, acks }: MessageHistory): Fate {
  if (acks.some(isDone)) return 'gone';
  if (enqueue === null || enqueue.outcome === 'fail') return 'gone';
  // An unanswered enqueue may never have happened, and an unanswered ack may have.
  return enqueue.outcome === 'ok' && acks.every(({ outcome }) => outcome === 'fail') ? 'left' : 'maybe';
}

function balance({ queue, messages, inspects }: QueueHistory, operations: readonly Operation[]): Violation[] {
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
  const left = all.filter((message) => fateOf(message) === 'left');
  const maybe = all.filter((message) => fateOf(message) === 'maybe');
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
    if (operation.kind !== 'enqueue' && operation.kind !== 'ack') continue;
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
