import type { Operation } from '../history/operations.ts';
import { checkDeliveryCounts } from './deliveryCounts.ts';
import { checkExactlyOnce } from './exactlyOnce.ts';
import { checkFencingTokens } from './fencingTokens.ts';
import { checkLockExclusion } from './lockExclusion.ts';
import { checkProgress, type Healing } from './progress.ts';
import { checkQueueAccounting } from './queueAccounting.ts';
import { checkQueueOrder } from './queueOrder.ts';
import { checkReadsByLogIndex } from './registerLog.ts';
import { checkLinearizableRegisters } from './registerSearch.ts';
import { broken, type Violation } from './violation.ts';

export interface HistoryOptions {
  /** Null: the run did not heal, so nothing is asked of it. @default null */
  readonly healing?: Healing | null;
  /** What the final audit could not do in a world that was whole again. @default [] */
  readonly auditMissing?: readonly string[];
  /** Clients whose monotonic clock drifts by more than a lease allows for: their holds prove nothing. */
  readonly exemptFromLeases?: ReadonlySet<number>;
  /** Steps of the search for linearizability, over all keys. */
  readonly maxSearchSteps?: number;
}

/**
 * All black-box checkers. Takes only what clients did and saw; an operation that never came back may have happened at
 * any time after it began, or not at all.
 */
export function checkHistory(operations: readonly Operation[], options: HistoryOptions = {}): Violation[] {
  const { healing = null, auditMissing = [], exemptFromLeases, maxSearchSteps } = options;
  return [
    ...checkLockExclusion(operations, exemptFromLeases),
    ...checkFencingTokens(operations),
    ...checkQueueAccounting(operations),
    ...checkQueueOrder(operations),
    ...checkDeliveryCounts(operations),
    ...checkExactlyOnce(operations),
    ...checkReadsByLogIndex(operations),
    ...checkLinearizableRegisters(operations, maxSearchSteps),
    ...auditMissing.map((what) =>
      broken('final audit', `in a world that was whole again it could not ${what}`, []),
    ),
    ...(healing === null ? [] : checkProgress(operations, healing)),
  ];
}
