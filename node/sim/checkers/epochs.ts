import type { Operation } from '../history/operations.ts';

export interface Epoch {
  readonly operations: readonly Operation[];
  /** Orders between which it lies; the first one's begins with 0. */
  readonly start: number;
  readonly end: number;
  /** Nothing was given up after it. */
  readonly isLast: boolean;
}

/**
 * Cuts a history at forced recoveries: one member's state went on as a new cluster, and what only the others had is
 * given up. Within an epoch everything holds that always does. To the next one each earlier write is one that was never
 * answered: it may be there, and may as well be gone.
 *
 * `recoveries`: order of each moment from which the new cluster may have answered.
 */
export function epochsOf(operations: readonly Operation[], recoveries: readonly number[]): Epoch[] {
  const cuts = [...recoveries].sort((a, b) => a - b);
  const starts = [0, ...cuts];
  return starts.map((start, at) => {
    const end = cuts[at] ?? Number.POSITIVE_INFINITY;
    const seen: Operation[] = [];
    for (const operation of operations) {
      if (operation.invoked.order > end) continue;
      const isWhole =
        operation.invoked.order > start && (operation.completed === null || operation.completed.order < end);
      if (isWhole) seen.push(operation);
      else if (isLasting(operation)) seen.push(unanswered(operation));
    }
    return { operations: seen, start, end, isLast: end === Number.POSITIVE_INFINITY };
  });
}

/** What may have left something behind in the state. */
function isLasting({ kind, outcome }: Operation): boolean {
  if (outcome === 'fail') return false;
  return (
    kind === 'queueDelete' ||
    kind === 'enqueue' ||
    kind === 'receive' ||
    kind === 'ack' ||
    kind === 'nack' ||
    kind === 'cachePut' ||
    kind === 'cacheDelete'
  );
}

function unanswered(operation: Operation): Operation {
  return { ...operation, completed: null, outcome: 'unknown', error: null, answer: null, at: null };
}
