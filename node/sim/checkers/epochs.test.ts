import { describe, expect, it } from 'vitest';
import { checkHistory } from './checkHistory.ts';
import { epochsOf, type Recovery } from './epochs.ts';
import { History, verdicts } from './testing/history.ts';
import { acknowledge, delivered, depth, send, take } from './testing/queue.ts';

describe('a forced recovery', () => {
  /** `applied`: index of group 1 that the survivor had applied. */
  const recovered = (history: History, applied = 0): Recovery => {
    history.did(1, 'clusterChanged', { clusterId: 'next' }, {});
    return { order: history.operations.at(-1)!.invoked.order, applied: new Map([[1, applied]]) };
  };

  it('may lose what was acknowledged, and bring back what was taken', () => {
    const history = new History();
    send(history, 'lost', 1);
    send(history, 'kept', 2);
    take(history, delivered('lost', 1), delivered('kept', 2));
    acknowledge(history, 2);
    history.did(1, 'cachePut', { key: 'x', value: 'a', ttlMs: 0 }, { version: 1 });
    history.did(1, 'cachePut', { key: 'x', value: 'b', ttlMs: 0 }, { version: 2 });
    const recovery = recovered(history);
    take(history, delivered('kept', 2, 1));
    acknowledge(history, 2);
    history.did(1, 'cacheGet', { key: 'x', level: 'linearizable' }, { version: 1, value: 'a' });
    depth(history);
    expect(checkHistory(history.operations, { recoveries: [recovery] })).toEqual([]);
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

  it('counts all of the last epoch: what was sent in it and what came out, beside what may have been left', () => {
    const story = (): { history: History; recovery: Recovery } => {
      const history = new History();
      send(history, 'before', 1);
      send(history, 'given up', 2);
      const recovery = recovered(history);
      send(history, 'kept', 3);
      send(history, 'taken', 4);
      take(history, delivered('before', 1), delivered('kept', 3), delivered('taken', 4));
      acknowledge(history, 1);
      acknowledge(history, 4);
      return { history, recovery };
    };
    // What only the lost ones had may be there or not.
    for (const [left, found] of [
      [1, []],
      [2, []],
      [0, ['queue accounting: broken']],
      [3, ['queue accounting: broken']],
    ] as const) {
      const { history, recovery } = story();
      depth(history, left);
      expect(verdicts(checkHistory(history.operations, { recoveries: [recovery] })), `${left}`).toEqual(
        found,
      );
    }
    const { history, recovery } = story();
    take(history, delivered('taken', 4, 2));
    depth(history, 1);
    expect(verdicts(checkHistory(history.operations, { recoveries: [recovery] }))).toContain(
      'queue accounting: broken',
    );
  });

  it('keeps what the survivor had applied', () => {
    const story = (applied: number): string[] => {
      const history = new History();
      const at = { group: 1, index: 7, resent: false };
      history.did(1, 'cachePut', { key: 'x', value: 'a', ttlMs: 0 }, { version: 1 }, at);
      const recovery = recovered(history, applied);
      const read = { key: 'x', level: 'linearizable' } as const;
      history.did(2, 'cacheGet', read, { version: 0, value: null }, { ...at, index: 9 });
      return verdicts(checkHistory(history.operations, { recoveries: [recovery] }));
    };
    expect(story(6)).toEqual([]);
    expect(story(7)).toContain('linearizable registers: broken');
    expect(story(7)).toContain('reads by log index: broken');
  });

  it('excuses no lease of a session that was opened after it', () => {
    const history = new History();
    const recovery = recovered(history);
    history.did(1, 'sessionOpened', { group: 0, session: 5 }, {});
    history.did(1, 'lockAcquire', { name: 'l', mode: 'exclusive', waitMs: 0 }, { token: 1 });
    const order = history.nextOrder();
    const held = { name: 'l', token: 1 };
    history.did(1, 'lockMark', held, { held: true });
    const ended = { kind: 'expired', member: 1, group: 0, sessions: [5], worldMs: 0 } as const;
    const found = (at: number): string[] =>
      verdicts(
        checkHistory(history.operations, { recoveries: [recovery], expired: [{ ...ended, order: at }] }),
      );
    expect(found(order)).toEqual(['leases: broken']);
    expect(found(recovery.order - 1)).toEqual([]);
  });

  it('takes tokens to rise all the same', () => {
    const history = new History();
    const acquire = { name: 'l', mode: 'exclusive', waitMs: null } as const;
    history.did(1, 'lockAcquire', acquire, { token: 9 });
    const recovery = recovered(history);
    history.did(2, 'lockAcquire', acquire, { token: 8 });
    expect(verdicts(checkHistory(history.operations, { recoveries: [recovery] }))).toContain(
      'fencing tokens: broken',
    );
  });

  it('leaves what was under way unanswered on both sides', () => {
    const history = new History();
    const put = history.begin(1, 'cachePut', { key: 'x', value: 'a', ttlMs: 0 });
    const recovery = recovered(history);
    put.ok({ version: 1 });
    const [first, second] = epochsOf(history.operations, [recovery]);
    expect(first!.operations.map(({ outcome }) => outcome)).toEqual(['unknown']);
    expect(second!.operations.find(({ kind }) => kind === 'cachePut')?.outcome).toBe('unknown');
    expect([first!.isLast, second!.isLast]).toEqual([false, true]);
  });
});
