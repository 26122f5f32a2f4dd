import { isDone, isKind, type Operation } from '../history/operations.ts';
import type { Incarnations } from './incarnations.ts';
import { broken, type Violation } from './violation.ts';

const NAME = 'declared queues';
/** From the answer to a declaration, world time, until every group has the queue, if nothing much is broken. */
const EVERYWHERE_WITHIN_MS = 10_000;

/**
 * A queue that was declared is there until somebody deletes it: nobody is told that there is none. `fromMs`: world time
 * of the first call that is looked at.
 */
export function checkDeclaredQueues(
  operations: readonly Operation[],
  lives: Incarnations,
  fromMs: number,
): Violation[] {
  const thereFromMs = new Map<string, number>();
  for (const operation of operations) {
    if (!isKind(operation, 'queueDeclare') || !isDone(operation)) continue;
    const { queue } = operation.call;
    const atMs = operation.completed.worldMs + EVERYWHERE_WITHIN_MS;
    thereFromMs.set(queue, Math.min(atMs, thereFromMs.get(queue) ?? atMs));
  }
  const violations: Violation[] = [];
  for (const operation of operations) {
    const { call, error, invoked } = operation;
    if (error !== 'NOT_FOUND' || !('queue' in call) || lives.comesAndGoes(call.queue)) continue;
    if (invoked.worldMs < Math.max(fromMs, thereFromMs.get(call.queue) ?? Number.POSITIVE_INFINITY)) continue;
    const what = `client ${operation.client} was told that there is no queue "${call.queue}", which was declared and never deleted`;
    violations.push(broken(NAME, what, [operation]));
  }
  return violations;
}
