import { describe, expect, it } from 'vitest';
import { checkLockExclusion } from './lockExclusion.ts';
import { History, verdicts } from './testing/history.ts';

function acquire(
  history: History,
  client: number,
  token: number,
  mode: 'exclusive' | 'shared' = 'exclusive',
): void {
  history.did(client, 'lockAcquire', { name: 'l', mode, waitMs: null }, { token });
}
function mark(history: History, client: number, token: number, held = true): void {
  history.did(client, 'lockMark', { name: 'l', token }, { held });
}

describe('lock exclusion', () => {
  it('allows one tenure after another, and shared ones together', () => {
    const history = new History();
    acquire(history, 1, 1);
    mark(history, 1, 1);
    acquire(history, 2, 2, 'shared');
    acquire(history, 3, 3, 'shared');
    mark(history, 3, 3);
    mark(history, 2, 2);
    acquire(history, 1, 4);
    mark(history, 1, 4);
    expect(checkLockExclusion(history.operations)).toEqual([]);
  });

  it('refuses a holder that still held after another was granted', () => {
    const history = new History();
    acquire(history, 1, 1);
    mark(history, 1, 1);
    acquire(history, 2, 2);
    mark(history, 2, 2);
    mark(history, 1, 1);
    expect(verdicts(checkLockExclusion(history.operations))).toEqual(['lock exclusion: broken']);
  });

  it('refuses a writer among readers, in either order', () => {
    for (const [first, second] of [
      ['shared', 'exclusive'],
      ['exclusive', 'shared'],
    ] as const) {
      const history = new History();
      acquire(history, 1, 1, first);
      mark(history, 1, 1);
      acquire(history, 2, 2, second);
      mark(history, 2, 2);
      mark(history, 1, 1);
      expect(verdicts(checkLockExclusion(history.operations))).toEqual(['lock exclusion: broken']);
    }
  });

  it('takes a client that stood still and then saw that it had lost the lock for no holder meanwhile', () => {
    const history = new History();
    acquire(history, 1, 1);
    mark(history, 1, 1);
    acquire(history, 2, 2);
    mark(history, 2, 2);
    mark(history, 1, 1, false);
    history.did(1, 'lockLost', { name: 'l', token: 1 }, {});
    expect(checkLockExclusion(history.operations)).toEqual([]);
  });

  it('asks nothing of a grant that never was known', () => {
    const history = new History();
    history.begin(1, 'lockAcquire', { name: 'l', mode: 'exclusive', waitMs: null }).unknown('TIMEOUT');
    acquire(history, 2, 2);
    mark(history, 2, 2);
    acquire(history, 3, 3);
    mark(history, 3, 3);
    mark(history, 2, 2);
    expect(verdicts(checkLockExclusion(history.operations))).toHaveLength(1);
  });

  it('keeps locks of different names apart', () => {
    const history = new History();
    acquire(history, 1, 1);
    mark(history, 1, 1);
    history.did(2, 'lockAcquire', { name: 'm', mode: 'exclusive', waitMs: 0 }, { token: 2 });
    history.did(2, 'lockMark', { name: 'm', token: 2 }, { held: true });
    mark(history, 1, 1);
    expect(checkLockExclusion(history.operations)).toEqual([]);
  });
});
