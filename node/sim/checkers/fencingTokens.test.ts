import { describe, expect, it } from 'vitest';
import { checkFencingTokens } from './fencingTokens.ts';
import { History, verdicts } from './testing/history.ts';

const BROKEN = 'fencing tokens: broken';

function acquire(
  history: History,
  client: number,
  token: number,
  mode: 'exclusive' | 'shared' = 'exclusive',
): void {
  history.did(client, 'lockAcquire', { name: 'l', mode, waitMs: null }, { token });
}

describe('fencing tokens', () => {
  it('may rise by any step, and be shared by the callers of one client', () => {
    const history = new History();
    acquire(history, 1, 10);
    acquire(history, 2, 2_000, 'shared');
    acquire(history, 3, 2_001, 'shared');
    // Joins its own client's grant, which is older than the other client's.
    acquire(history, 2, 2_000, 'shared');
    acquire(history, 1, 2_002);
    expect(checkFencingTokens(history.operations)).toEqual([]);
  });

  it('must not fall', () => {
    const history = new History();
    acquire(history, 1, 10);
    acquire(history, 2, 9);
    expect(new Set(verdicts(checkFencingTokens(history.operations)))).toEqual(new Set([BROKEN]));
  });

  it('must not stay for the next tenure, of another client or of the same', () => {
    for (const client of [1, 2]) {
      const history = new History();
      acquire(history, 1, 10);
      acquire(history, client, 10);
      expect(verdicts(checkFencingTokens(history.operations))).toContain(BROKEN);
    }
  });

  it('must rise over all locks, and be different even for those asked for together', () => {
    const other = { name: 'm', mode: 'exclusive', waitMs: null } as const;
    const falling = new History();
    acquire(falling, 1, 10);
    falling.did(2, 'lockAcquire', other, { token: 9 });
    const equal = new History();
    const open = equal.begin(2, 'lockAcquire', other);
    acquire(equal, 1, 10);
    open.ok({ token: 10 });
    for (const { operations } of [falling, equal]) {
      expect(verdicts(checkFencingTokens(operations))).toEqual([BROKEN]);
    }
  });

  it('must rise with exclusive tenures also when they were asked for together', () => {
    const history = new History();
    const call = { name: 'l', mode: 'exclusive', waitMs: null } as const;
    const first = history.begin(1, 'lockAcquire', call);
    const second = history.begin(2, 'lockAcquire', call);
    first.ok({ token: 5 });
    second.ok({ token: 4 });
    expect(verdicts(checkFencingTokens(history.operations))).toEqual([BROKEN]);
  });

  it('of shared grants asked for together may become known in any order', () => {
    const history = new History();
    const call = { name: 'l', mode: 'shared', waitMs: null } as const;
    const first = history.begin(1, 'lockAcquire', call);
    const second = history.begin(2, 'lockAcquire', call);
    first.ok({ token: 5 });
    second.ok({ token: 4 });
    expect(checkFencingTokens(history.operations)).toEqual([]);
  });
});
