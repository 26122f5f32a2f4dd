import { isDone, type Operation } from '../history/operations.ts';
import { registerHistories } from './registers.ts';
import { broken, type Violation } from './violation.ts';

const NAME = 'time to live';

export interface Margins {
  /** World time from which the cluster is whole; before it may have been without a quorum, and its time at rest. */
  readonly healedMs: number;
  /** How much too early, and how much too late, an end may come. */
  readonly earlyMs: number;
  readonly lateMs: number;
}

/** Wide: members' clocks may be wrong by much, only not most of them. */
export const TIME_TO_LIVE_MARGINS = { earlyMs: 1_800_000, lateMs: 10_000 };

/**
 * An entry is gone soon after its time to live is over, and not long before. The cluster's time follows the members'
 * clocks, so this looks at the world's time with a wide margin.
 */
export function checkTimeToLive(
  operations: readonly Operation[],
  { healedMs, earlyMs, lateMs }: Margins,
): Violation[] {
  const violations: Violation[] = [];
  for (const { key, puts, deletes, gets } of registerHistories(operations)) {
    for (const put of puts) {
      const { ttlMs, value } = put.call;
      if (ttlMs === 0 || !isDone(put)) continue;
      const overMs = Math.max(put.completed.worldMs + ttlMs, healedMs) + lateMs;
      for (const get of gets) {
        if (get.call.level !== 'linearizable' || !isDone(get)) continue;
        if (get.answer.value === value && get.invoked.worldMs > overMs) {
          violations.push(
            broken(NAME, `key "${key}": "${value}" was there long after its ${ttlMs} ms`, [put, get]),
          );
        }
        const isEarly =
          get.answer.value === null &&
          get.invoked.order > put.completed.order &&
          get.completed.worldMs < put.invoked.worldMs + ttlMs - earlyMs;
        if (!isEarly) continue;
        // Nothing else may have taken it away.
        const others = [...puts, ...deletes].some(
          (other) =>
            other !== put &&
            other.outcome !== 'fail' &&
            other.invoked.order < get.completed.order &&
            (other.outcome === 'unknown' || other.completed!.order > put.invoked.order),
        );
        if (!others) {
          violations.push(
            broken(NAME, `key "${key}": "${value}" was gone long before its ${ttlMs} ms`, [put, get]),
          );
        }
      }
    }
  }
  return violations;
}
