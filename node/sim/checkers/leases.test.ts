import { describe, expect, it } from 'vitest';
import type { SessionsExpired } from '../history/observations.ts';
import { checkLeases } from './leases.ts';
import { History, verdicts } from './testing/history.ts';

const lock = { name: 'l', token: 7 };

function held(history: History): void {
  history.did(1, 'lockMark', lock, { held: true });
}

/** Client 1 has session 3 and a lock by it. */
function granted(): History {
  const history = new History();
  history.did(1, 'sessionOpened', { group: 0, session: 3 }, {});
  history.did(1, 'lockAcquire', { name: 'l', mode: 'exclusive', waitMs: 0 }, { token: 7 });
  held(history);
  return history;
}

function expiry(history: History, session: number, group = 0): SessionsExpired {
  const order = (history.operations.at(-1)?.completed?.order ?? 0) + 0.5;
  return { kind: 'expired', order, worldMs: history.nowMs, member: 1, group, sessions: [session] };
}

describe('leases', () => {
  it('are not over while the client still holds by them', () => {
    const history = granted();
    const end = expiry(history, 3);
    expect(checkLeases(history.operations, [end])).toEqual([]);
    held(history);
    expect(verdicts(checkLeases(history.operations, [end]))).toEqual(['leases: broken']);
  });

  it('are of one session in group 0, counted from the first member that ended it', () => {
    const history = granted();
    const ends = [expiry(history, 4), expiry(history, 3, 1)];
    held(history);
    expect(checkLeases(history.operations, ends)).toEqual([]);
    const first = granted();
    const early = expiry(first, 3);
    held(first);
    expect(checkLeases(first.operations, [early, expiry(first, 3)])).toHaveLength(1);
  });

  it('let a client that gave the lock up in time go', () => {
    const history = granted();
    history.did(1, 'lockLost', lock, {});
    const end = expiry(history, 3);
    history.did(1, 'lockMark', lock, { held: false });
    expect(checkLeases(history.operations, [end])).toEqual([]);
  });
});
