import { isDone, type Operation } from '../history/operations.ts';
import { eventsOf, type MessageHistory, type QueueHistory, queueHistories } from './messages.ts';
import { broken, type Violation } from './violation.ts';

const NAME = 'delivery counts';

/**
 * Delivery counts are exact: each count is given out once, counts rise in real time, and one that nobody saw was
 * given to a receive whose answer may have been lost on the way.
 */
export function checkDeliveryCounts(operations: readonly Operation[]): Violation[] {
  return queueHistories(operations).flatMap((queue) =>
    [...queue.messages.values()].flatMap((message) => checkMessage(queue, message)),
  );
}

function checkMessage(queue: QueueHistory, message: MessageHistory): Violation[] {
  const violations: Violation[] = [];
  const complain = (what: string): void => {
    violations.push(
      broken(NAME, `queue "${queue.queue}", message "${message.payload}": ${what}`, eventsOf(message)),
    );
  };
  const byCount = [...message.deliveries].sort((a, b) => a.record.delivery - b.record.delivery);
  // Of the lower counts, the receive that began last.
  let begunLast = 0;
  let previous = 0;
  for (const { record, receive } of byCount) {
    const { delivery } = record;
    if (!Number.isSafeInteger(delivery) || delivery < 1) complain(`has delivery count ${delivery}`);
    if (delivery === previous) complain(`was delivered twice with count ${delivery}`);
    if (receive.completed.order < begunLast) complain(`got count ${delivery} before a lower one`);
    const missed = delivery - previous - 1;
    if (missed > 0 && !mayHaveLost(queue, receive.completed.order)) {
      complain(`got count ${delivery} after ${previous}, and no receive lost an answer`);
    }
    begunLast = Math.max(begunLast, receive.invoked.order);
    previous = delivery;
  }
  return violations;
}

/** Some receive that began before `order` did not come back whole. */
function mayHaveLost({ receives }: QueueHistory, order: number): boolean {
  return receives.some(
    (receive) =>
      receive.invoked.order < order && (!isDone(receive) || receive.at === null || receive.at.resent),
  );
}
