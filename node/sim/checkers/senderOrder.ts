import { type Done, isDone, isKind, type Operation } from '../history/operations.ts';
import { Incarnations, NO_EVIDENCE } from './incarnations.ts';
import { broken, type Violation } from './violation.ts';

const NAME = 'order of sending';

/**
 * What one client sends into one partition gets rising ids in the order of its calls, also of calls that overlap: its
 * writes carry sequence numbers, and none is applied before the ones before it. Only within one session: what was
 * never applied under a lost one may go under the next, behind others. And only where the queue stays: what a sender
 * sends again because its queue was not there may be overtaken.
 */
export function checkSenderOrder(
  operations: readonly Operation[],
  lives: Incarnations = new Incarnations(operations, NO_EVIDENCE),
): Violation[] {
  const violations: Violation[] = [];
  const sessions = new Map<number, number[]>();
  for (const { client, kind, invoked } of operations) {
    if (kind !== 'sessionOpened' && kind !== 'sessionLost') continue;
    const orders = sessions.get(client);
    if (orders === undefined) sessions.set(client, [invoked.order]);
    else orders.push(invoked.order);
  }
  const sent = operations
    .filter((operation) => isKind(operation, 'enqueue'))
    .filter(isDone)
    .sort((a, b) => a.invoked.order - b.invoked.order);
  /** By client and partition: of the calls so far, the one with the highest id, and in which session. */
  const highest = new Map<string, { readonly enqueue: Done<'enqueue'>; readonly session: number }>();
  for (const enqueue of sent) {
    const { client, call, answer, invoked, completed } = enqueue;
    if (lives.comesAndGoes(call.queue)) continue;
    const changes = sessions.get(client) ?? [];
    const session = changes.filter((order) => order < invoked.order).length;
    // It lived through a change of sessions: by which of them it was sent is not known.
    if (changes.some((order) => order > invoked.order && order < completed.order)) continue;
    const key = JSON.stringify([client, call.queue, answer.partition]);
    const before = highest.get(key);
    if (before?.session === session && before.enqueue.answer.message >= answer.message) {
      const what =
        `client ${client} sent message ${answer.message} to partition ${answer.partition} of queue "${call.queue}" ` +
        `after message ${before.enqueue.answer.message}`;
      violations.push(broken(NAME, what, [before.enqueue, enqueue]));
      continue;
    }
    highest.set(key, { enqueue, session });
  }
  return violations;
}
