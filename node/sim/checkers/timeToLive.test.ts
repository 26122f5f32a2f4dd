import { describe, expect, it } from 'vitest';
import { History, verdicts } from './testing/history.ts';
import { checkTimeToLive } from './timeToLive.ts';

const BROKEN = ['time to live: broken'];
const margins = { healedMs: 0, earlyMs: 100, lateMs: 100 };

function written(): History {
  const history = new History();
  history.did(1, 'cachePut', { key: 'x', value: 'a', ttlMs: 500 }, { version: 1 });
  return history;
}
function get(history: History, afterMs: number, value: string | null): void {
  history.nowMs += afterMs;
  history.did(1, 'cacheGet', { key: 'x', level: 'linearizable' }, { version: value === null ? 0 : 1, value });
}
const check = ({ operations }: History, healedMs = 0) =>
  verdicts(checkTimeToLive(operations, { ...margins, healedMs }));

describe('a time to live', () => {
  it('ends about when it should', () => {
    for (const [afterMs, value] of [
      [450, 'a'],
      [450, null],
      [550, 'a'],
      [550, null],
      [5_000, null],
    ] as const) {
      const history = written();
      get(history, afterMs, value);
      expect(check(history)).toEqual([]);
    }
  });

  it('must not go on long after, except where the cluster may have stood still', () => {
    const history = written();
    get(history, 700, 'a');
    expect(check(history)).toEqual(BROKEN);
    expect(check(history, 650)).toEqual([]);
  });

  it('must not end long before, unless something else did it', () => {
    const history = written();
    get(history, 100, null);
    expect(check(history)).toEqual(BROKEN);
    const deleted = written();
    deleted.begin(2, 'cacheDelete', { key: 'x' }).unknown('TIMEOUT');
    get(deleted, 100, null);
    expect(check(deleted)).toEqual([]);
  });
});
