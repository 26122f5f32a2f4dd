import type { SessionsExpired } from '../history/observations.ts';
import type { Operation } from '../history/operations.ts';
import { checkDeliveryCounts } from './deliveryCounts.ts';
import { type Epoch, epochsOf } from './epochs.ts';
import { checkExactlyOnce } from './exactlyOnce.ts';
import { checkFencingTokens } from './fencingTokens.ts';
import { checkLeases } from './leases.ts';
import { checkLockExclusion } from './lockExclusion.ts';
import { checkLockState } from './lockState.ts';
import { checkProgress, type Healing } from './progress.ts';
import { checkQueueAccounting } from './queueAccounting.ts';
import { checkQueueOrder } from './queueOrder.ts';
import { checkReadsByLogIndex } from './registerLog.ts';
import { checkLinearizableRegisters } from './registerSearch.ts';
import { checkSenderOrder } from './senderOrder.ts';
import { checkTimeToLive, TIME_TO_LIVE_MARGINS } from './timeToLive.ts';
import { broken, type Violation } from './violation.ts';

export interface HistoryOptions {
  /** Null: the run did not heal, so nothing is asked of it. @default null */
  readonly healing?: Healing | null;
  /** What the final audit could not do in a world that was whole again. @default [] */
  readonly auditMissing?: readonly string[];
  /** Orders of forced recoveries: what was promised before may be gone. @default [] */
  readonly recoveries?: readonly number[];
  /** What members showed of sessions that they ended; not looked at over forced recoveries. @default [] */
  readonly expired?: readonly SessionsExpired[];
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
  const { healing = null, auditMissing = [], recoveries = [], expired = [], exemptFromLeases } = options;
  const violations = epochsOf(operations, recoveries).flatMap((epoch) => checkEpoch(epoch, options));
  // Tokens follow the clock, so that they rise even over a state that was given up.
  violations.push(...checkFencingTokens(operations));
  // A recovery takes back what happened last, and session ids with it.
  if (recoveries.length === 0) violations.push(...checkLeases(operations, expired, exemptFromLeases));
  for (const what of auditMissing) {
    violations.push(broken('final audit', `in a world that was whole again it could not ${what}`, []));
  }
  if (healing !== null) violations.push(...checkProgress(operations, healing));
  return violations;
}

function checkEpoch({ operations, isLast }: Epoch, options: HistoryOptions): Violation[] {
  const { exemptFromLeases, maxSearchSteps, healing } = options;
  return [
    ...checkLockExclusion(operations, exemptFromLeases),
    ...checkLockState(operations, exemptFromLeases),
    ...checkQueueAccounting(operations, isLast),
    ...checkQueueOrder(operations),
    ...checkSenderOrder(operations),
    ...checkDeliveryCounts(operations),
    ...checkExactlyOnce(operations),
    ...checkReadsByLogIndex(operations),
    ...checkLinearizableRegisters(operations, maxSearchSteps),
    ...checkTimeToLive(operations, {
      healedMs: healing?.healedMs ?? Number.POSITIVE_INFINITY,
      ...TIME_TO_LIVE_MARGINS,
    }),
  ];
}
