import { isDone, isKind, type Operation, type OperationKind } from '../history/operations.ts';
import { broken, undecided, type Violation } from './violation.ts';

const NAME = 'progress after healing';

export interface Healing {
  /** World time from which nothing is broken any more. */
  readonly healedMs: number;
  /** The cluster must serve again within this. */
  readonly withinMs: number;
}

/** What each part of the product must be able to do again. */
const SERVICES: Readonly<Record<string, readonly OperationKind[]>> = {
  locks: ['lockAcquire', 'lockRelease', 'lockInspect'],
  queues: ['queueDeclare', 'queueDelete', 'enqueue', 'receive', 'ack', 'nack', 'extend', 'queueInspect'],
  'the cache': ['cachePut', 'cacheGet', 'cacheDelete'],
};

/** A lock may be held by others, a queue may be full: that is an answer. These are none. */
const UNANSWERED: ReadonlySet<string | null> = new Set([
  'UNAVAILABLE',
  'OUTCOME_UNKNOWN',
  'TIMEOUT',
  'SESSION_EXPIRED',
  'INTERNAL',
  'NOT_LEADER',
]);

/**
 * Once all faults have ended the cluster serves: each part that the history used before completes an operation in
 * time, and from then on every operation is answered. Every kind of operation that it used is done again, so each part
 * goes through its whole cycle.
 */
export function checkProgress(
  operations: readonly Operation[],
  { healedMs, withinMs }: Healing,
): Violation[] {
  const violations: Violation[] = [];
  const dueMs = healedMs + withinMs;
  for (const [service, kinds] of Object.entries(SERVICES)) {
    const used = operations.filter(({ kind }) => kinds.includes(kind));
    if (used.length === 0) continue;
    const since = used.filter(({ invoked }) => invoked.worldMs >= healedMs && invoked.worldMs <= dueMs);
    // Also what was under way by then.
    const served = used.some(
      ({ outcome, completed }) =>
        outcome === 'ok' && completed !== null && completed.worldMs >= healedMs && completed.worldMs <= dueMs,
    );
    if (!served && since.length === 0) {
      violations.push(undecided(NAME, `nobody tried ${service} within ${withinMs} ms of the healing`));
      continue;
    }
    if (!served) {
      const what = `${service} did not serve within ${withinMs} ms of the healing at ${healedMs} ms`;
      violations.push(broken(NAME, what, since.slice(0, 5)));
    }
    violations.push(...doneAgain(operations, kinds, healedMs));
    const unanswered = used.filter(
      (operation) => operation.invoked.worldMs > dueMs && isUnanswered(operation),
    );
    if (unanswered.length > 0) {
      const what = `${unanswered.length} operations on ${service} begun after ${dueMs} ms, when all was well, were not answered`;
      violations.push(broken(NAME, what, unanswered.slice(0, 5)));
    }
  }
  return violations;
}

function doneAgain(
  operations: readonly Operation[],
  kinds: readonly OperationKind[],
  healedMs: number,
): Violation[] {
  const violations: Violation[] = [];
  for (const kind of kinds) {
    const all = operations.filter((operation) => operation.kind === kind);
    const since = all.filter(({ invoked }) => invoked.worldMs >= healedMs);
    if (all.length === 0 || since.some(isFruitful)) continue;
    const what = `no ${kind} was done after the healing at ${healedMs} ms`;
    violations.push(since.length === 0 ? undecided(NAME, what) : broken(NAME, what, since.slice(0, 5)));
  }
  return violations;
}

/** Done, and not with empty hands. */
function isFruitful(operation: Operation): boolean {
  if (isKind(operation, 'receive') && isDone(operation)) return operation.answer.deliveries.length > 0;
  return operation.outcome === 'ok';
}

function isUnanswered({ kind, call, completed, outcome, error }: Operation): boolean {
  if (completed === null) return true;
  if (outcome === 'ok') return false;
  // Others may hold the lock for longer than this one would wait.
  if (kind === 'lockAcquire' && error === 'TIMEOUT' && 'waitMs' in call && call.waitMs !== null) return false;
  return UNANSWERED.has(error);
}
