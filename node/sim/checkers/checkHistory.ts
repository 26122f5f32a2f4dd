import type { QueueConfigured, SessionsExpired } from '../history/observations.ts';
import type { Operation } from '../history/operations.ts';
import { checkDeclaredQueues } from './declaredQueues.ts';
import { checkDeliveryCounts } from './deliveryCounts.ts';
import { type Epoch, epochsOf, type Recovery } from './epochs.ts';
import { checkExactlyOnce } from './exactlyOnce.ts';
import { checkFencingTokens } from './fencingTokens.ts';
import { Incarnations, newGenerations } from './incarnations.ts';
import { checkLeases } from './leases.ts';
import { checkLockExclusion } from './lockExclusion.ts';
import { checkLocksFreed } from './lockFreed.ts';
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
  /** Forced recoveries: what was promised before may be gone. @default [] */
  readonly recoveries?: readonly Recovery[];
  /** What members showed of sessions that they ended. @default [] */
  readonly expired?: readonly SessionsExpired[];
  /** What members showed of queues that came and went. Default: nobody looked into members. */
  readonly configured?: readonly QueueConfigured[];
  /** Steps of the search for linearizability, over all keys. */
  readonly maxSearchSteps?: number;
}

/**
 * All black-box checkers. Takes only what clients did and saw; an operation that never came back may have happened at
 * any time after it began, or not at all.
 */
export function checkHistory(operations: readonly Operation[], options: HistoryOptions = {}): Violation[] {
  const { healing = null, auditMissing = [], recoveries = [] } = options;
  const violations = epochsOf(operations, recoveries).flatMap((epoch) => checkEpoch(epoch, options));
  // Tokens follow the clock, so that they rise even over a state that was given up.
  violations.push(...checkFencingTokens(operations));
  for (const what of auditMissing) {
    violations.push(broken('final audit', `in a world that was whole again it could not ${what}`, []));
  }
  if (healing !== null) {
    violations.push(...checkProgress(operations, healing), ...checkLocksFreed(operations, healing));
  }
  return violations;
}

function checkEpoch({ operations, start, end, isLast }: Epoch, options: HistoryOptions): Violation[] {
  const { maxSearchSteps, healing = null, expired = [], configured } = options;
  const isIn = ({ order }: { readonly order: number }): boolean => order > start && order < end;
  const wholeFromMs = healing === null ? Number.POSITIVE_INFINITY : healing.healedMs + healing.withinMs;
  const lives = new Incarnations(operations, {
    configured: configured === undefined ? null : newGenerations(configured).filter(isIn),
    wholeFromMs,
  });
  return [
    // Sessions of an earlier epoch may be gone, and their ids never come again.
    ...checkLeases(operations, expired.filter(isIn)),
    // A recovery may take back a declaration, until somebody declares the queue again and all is well.
    ...checkDeclaredQueues(operations, lives, start === 0 ? 0 : wholeFromMs),
    ...checkLockExclusion(operations),
    ...checkLockState(operations),
    ...checkQueueAccounting(operations, isLast, lives),
    ...checkQueueOrder(operations, lives),
    ...checkSenderOrder(operations, lives),
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
