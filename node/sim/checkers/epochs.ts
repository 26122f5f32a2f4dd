import type { Operation } from '../history/operations.ts';

export interface Epoch {
  readonly operations: readonly Operation[];
  /** Orders between which it lies; the first one's begins with 0. */
  readonly start: number;
  readonly end: number;
  /** Nothing was given up after it. */
  readonly isLast: boolean;
}

export interface Recovery {
  /** The moment from which the new cluster may have answered. */
  readonly order: number;
  /** By group: index up to which the survivor had applied its log: all of that goes on. */
  readonly applied: ReadonlyMap<number, number>;
}

/**
 * Cuts a history at forced recoveries: one member's state went on as a new cluster, and what only the others had is
 * given up. Within an epoch everything holds that always does. To the next one each earlier write is one that was never
 * answered: it may be there, and may as well be gone; unless its answer told a place in the log that the survivor had
 * applied.
 */
export function epochsOf(operations: readonly Operation[], recoveries: readonly Recovery[]): Epoch[] {
  const cuts = [...recoveries].sort((a, b) => a.order - b.order);
  const starts = [0, ...cuts.map(({ order }) => order)];
  return starts.map((start, at) => {
    const end = cuts[at]?.order ?? Number.POSITIVE_INFINITY;
    const before = cuts.slice(0, at);
    const seen: Operation[] = [];
    for (const operation of operations) {
      if (operation.invoked.order > end) continue;
      const isWhole =
        operation.invoked.order > start && (operation.completed === null || operation.completed.order < end);
      if (isWhole || isKept(operation, before)) seen.push(operation);
      else if (isLasting(operation)) seen.push(unanswered(operation));
    }
    return { operations: seen, start, end, isLast: end === Number.POSITIVE_INFINITY };
  });
}

/** An answered write to the cache that every survivor since had applied. */
function isKept({ kind, outcome, completed, at }: Operation, recoveries: readonly Recovery[]): boolean {
  if ((kind !== 'cachePut' && kind !== 'cacheDelete') || outcome !== 'ok' || at === null) return false;
  const last = recoveries.at(-1);
  if (completed === null || last === undefined || completed.order > last.order) return false;
  return recoveries.every(
    ({ order, applied }) => order < completed.order || (applied.get(at.group) ?? 0) >= at.index,
  );
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
