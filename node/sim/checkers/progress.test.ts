import { describe, expect, it } from 'vitest';
import { checkProgress } from './progress.ts';
import { History, verdicts } from './testing/history.ts';
import { acknowledge, delivered, receipt, send, take } from './testing/queue.ts';

const BROKEN = 'progress after healing: broken';

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

  it('is missed by any kind of operation that is not answered, or that never came back', () => {
    const release = { name: 'l', token: 1 };
    for (const end of ['unanswered', 'never back'] as const) {
      const history = new History();
      const healedMs = history.nowMs + 1;
      history.did(1, 'lockRelease', release, {});
      history.nowMs += 100;
      const open = history.begin(1, 'lockRelease', release);
      if (end === 'unanswered') open.unknown('OUTCOME_UNKNOWN');
      expect(verdicts(checkProgress(history.operations, { healedMs, withinMs: 50 })), end).toEqual([BROKEN]);
    }
  });

  it('is missed when one kind of operation is refused ever since, or gives nothing', () => {
    const history = new History();
    send(history, 'a', 1);
    acknowledge(history, 1);
    take(history, delivered('a', 1));
    const healedMs = history.nowMs + 1;
    send(history, 'b', 2);
    history.begin(2, 'ack', receipt(2)).fail('STALE_RECEIPT');
    take(history);
    const found = checkProgress(history.operations, { healedMs, withinMs: 50 });
    expect(found.map(({ what }) => what)).toEqual([
      expect.stringContaining('no receive'),
      expect.stringContaining('no ack'),
    ]);
    expect(verdicts(found)).toEqual([BROKEN, BROKEN]);
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

  it('counts what was under way when all was healed', () => {
    const history = new History();
    const open = history.begin(1, 'cacheGet', call);
    history.nowMs += 100;
    const healedMs = history.nowMs;
    history.nowMs += 10;
    open.ok(answer);
    history.nowMs += 1_000;
    history.did(1, 'cacheGet', call, answer);
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
