import { describe, expect, it } from 'vitest';
import { checkHistory } from './checkHistory.ts';
import { epochsOf } from './epochs.ts';
import { History, verdicts } from './testing/history.ts';
import { acknowledge, delivered, depth, send, take } from './testing/queue.ts';

describe('a forced recovery', () => {
  const recovered = (history: History): number => {
    history.did(1, 'clusterChanged', { clusterId: 'next' }, {});
    return history.operations.at(-1)!.invoked.order;
  };

  it('may lose what was acknowledged, and bring back what was taken', () => {
    const history = new History();
    send(history, 'lost', 1);
    send(history, 'kept', 2);
    take(history, delivered('lost', 1), delivered('kept', 2));
    acknowledge(history, 2);
    history.did(1, 'cachePut', { key: 'x', value: 'a', ttlMs: 0 }, { version: 1 });
    history.did(1, 'cachePut', { key: 'x', value: 'b', ttlMs: 0 }, { version: 2 });
    const order = recovered(history);
    take(history, delivered('kept', 2, 1));
    acknowledge(history, 2);
    history.did(1, 'cacheGet', { key: 'x', level: 'linearizable' }, { version: 1, value: 'a' });
    depth(history);
    expect(checkHistory(history.operations, { recoveries: [order] })).toEqual([]);
    expect(checkHistory(history.operations)).not.toEqual([]);
  });

  it('excuses nothing that happened before it, nor after', () => {
    const before = new History();
    before.did(1, 'cachePut', { key: 'x', value: 'a', ttlMs: 0 }, { version: 1 });
    before.did(1, 'cacheGet', { key: 'x', level: 'linearizable' }, { version: 0, value: null });
    const first = recovered(before);
    expect(verdicts(checkHistory(before.operations, { recoveries: [first] }))).toEqual([
      'linearizable registers: broken',
    ]);

    const after = new History();
    const second = recovered(after);
    send(after, 'a', 1);
    depth(after);
    expect(verdicts(checkHistory(after.operations, { recoveries: [second] }))).toEqual([
      'queue accounting: broken',
    ]);
  });

  it('takes tokens to rise all the same', () => {
    const history = new History();
    const acquire = { name: 'l', mode: 'exclusive', waitMs: null } as const;
    history.did(1, 'lockAcquire', acquire, { token: 9 });
    const order = recovered(history);
    history.did(2, 'lockAcquire', acquire, { token: 8 });
    expect(verdicts(checkHistory(history.operations, { recoveries: [order] }))).toContain(
      'fencing tokens: broken',
    );
  });

  it('leaves what was under way unanswered on both sides', () => {
    const history = new History();
    const put = history.begin(1, 'cachePut', { key: 'x', value: 'a', ttlMs: 0 });
    const order = recovered(history);
    put.ok({ version: 1 });
    const [first, second] = epochsOf(history.operations, [order]);
    expect(first!.operations.map(({ outcome }) => outcome)).toEqual(['unknown']);
    expect(second!.operations.find(({ kind }) => kind === 'cachePut')?.outcome).toBe('unknown');
    expect([first!.isLast, second!.isLast]).toEqual([false, true]);
  });
});
