import { describe, expect, it } from 'vitest';
import { checkLocksFreed } from './lockFreed.ts';
import { History, verdicts } from './testing/history.ts';

const WANTED = { name: 'l', mode: 'exclusive', waitMs: 2_000 } as const;
const HELD = { name: 'l', token: 1 };
const HEALING = { healedMs: 0, withinMs: 50 };
const BROKEN = ['locks freed: broken'];

/** Another client waits for the lock, in vain, from this moment of world time on. */
function tryAt(history: History, atMs: number): string[] {
  history.nowMs = atMs;
  history.begin(2, 'lockAcquire', WANTED).unknown('TIMEOUT');
  return verdicts(checkLocksFreed(history.operations, HEALING));
}

describe('locks are freed', () => {
  it('when their holders are gone, after the lease', () => {
    const gone = (): History => {
      const history = new History();
      history.did(1, 'lockAcquire', WANTED, { token: 1 });
      history.nowMs = 60;
      history.did(1, 'lockMark', HELD, { held: true });
      return history;
    };
    expect(tryAt(gone(), 100)).toEqual([]);
    expect(tryAt(gone(), 130)).toEqual(BROKEN);
  });

  it('at once when they are given back', () => {
    const history = new History();
    history.did(1, 'lockAcquire', WANTED, { token: 1 });
    history.nowMs = 60;
    history.did(1, 'lockRelease', HELD, {});
    expect(tryAt(history, 70)).toEqual(BROKEN);
  });

  it('after the lease too where giving back was not answered, or the grant never known', () => {
    const unanswered = (): History => {
      const history = new History();
      history.did(1, 'lockAcquire', WANTED, { token: 1 });
      history.nowMs = 60;
      history.begin(1, 'lockRelease', HELD).unknown('OUTCOME_UNKNOWN');
      return history;
    };
    expect(tryAt(unanswered(), 100)).toEqual([]);
    expect(tryAt(unanswered(), 130)).toEqual(BROKEN);
    const unknown = (): History => {
      const history = new History();
      history.nowMs = 60;
      history.begin(1, 'lockAcquire', WANTED);
      return history;
    };
    expect(tryAt(unknown(), 100)).toEqual([]);
    expect(tryAt(unknown(), 130)).toEqual(BROKEN);
  });

  it('asks for nothing of one that does not wait for as long as an answer may take', () => {
    for (const [waitMs, found] of [
      [27, []],
      [2_000, BROKEN],
      [null, BROKEN],
    ] as const) {
      const history = new History();
      history.nowMs = 200;
      history.begin(2, 'lockAcquire', { ...WANTED, waitMs }).unknown('TIMEOUT');
      expect(verdicts(checkLocksFreed(history.operations, HEALING))).toEqual(found);
    }
  });

  it('asks for nothing before all is well, nor while somebody holds', () => {
    const early = new History();
    expect(tryAt(early, 20)).toEqual([]);
    const held = new History();
    held.nowMs = 100;
    held.did(1, 'lockAcquire', WANTED, { token: 1 });
    held.nowMs = 140;
    held.did(1, 'lockMark', HELD, { held: true });
    expect(tryAt(held, 150)).toEqual([]);
  });

  it('lets a client refuse itself while it takes back what it asked for, and no longer', () => {
    const tried = (afterMs: number): string[] => {
      const history = new History();
      history.nowMs = 200;
      history.begin(2, 'lockAcquire', { ...WANTED, waitMs: null }).unknown('CANCELLED');
      history.nowMs += afterMs;
      history.begin(2, 'lockAcquire', { ...WANTED, waitMs: 0 }).fail('LOCK_HELD');
      return verdicts(checkLocksFreed(history.operations, HEALING));
    };
    expect(tried(30)).toEqual([]);
    expect(tried(3_000)).toEqual(BROKEN);
  });

  it('notices a refusal of what was never held', () => {
    const history = new History();
    history.nowMs = 60;
    history.begin(2, 'lockAcquire', { ...WANTED, waitMs: 0 }).fail('LOCK_HELD');
    expect(verdicts(checkLocksFreed(history.operations, HEALING))).toEqual(BROKEN);
  });
});
