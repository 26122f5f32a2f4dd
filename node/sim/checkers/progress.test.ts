import { describe, expect, it } from 'vitest';
import { checkProgress } from './progress.ts';
import { History, verdicts } from './testing/history.ts';

const call = { key: 'x', level: 'linearizable' } as const;
const answer = { version: 0, value: null };

describe('progress after healing', () => {
  it('is made when each part serves in time, and then always', () => {
    const history = new History();
    history.begin(1, 'cacheGet', call).unknown('TIMEOUT');
    const healedMs = history.nowMs + 1;
    history.did(1, 'cacheGet', call, answer);
    history.nowMs += 100;
    history.did(1, 'cacheGet', call, answer);
    expect(checkProgress(history.operations, { healedMs, withinMs: 50 })).toEqual([]);
  });

  it('is missed when nothing is served in time', () => {
    const history = new History();
    const healedMs = history.nowMs + 1;
    const slow = history.begin(1, 'cacheGet', call);
    history.nowMs += 100;
    slow.ok(answer);
    expect(verdicts(checkProgress(history.operations, { healedMs, withinMs: 50 }))).toEqual([
      'progress after healing: broken',
    ]);
  });

  it('is missed when something is not answered later', () => {
    const history = new History();
    const healedMs = history.nowMs + 1;
    history.did(1, 'cacheGet', call, answer);
    history.nowMs += 100;
    history.begin(1, 'cacheGet', call).unknown('TIMEOUT');
    expect(verdicts(checkProgress(history.operations, { healedMs, withinMs: 50 }))).toEqual([
      'progress after healing: broken',
    ]);
  });

  it('takes a lock that others hold for an answer', () => {
    const history = new History();
    const healedMs = history.nowMs + 1;
    const wanted = { name: 'l', mode: 'exclusive', waitMs: 10 } as const;
    history.did(1, 'lockAcquire', wanted, { token: 1 });
    history.nowMs += 100;
    history.begin(2, 'lockAcquire', wanted).unknown('TIMEOUT');
    expect(checkProgress(history.operations, { healedMs, withinMs: 50 })).toEqual([]);
  });

  it('is not decided when nobody tried', () => {
    const history = new History();
    history.did(1, 'cacheGet', call, answer);
    expect(verdicts(checkProgress(history.operations, { healedMs: 1_000, withinMs: 50 }))).toEqual([
      'progress after healing: undecided',
    ]);
  });
});
