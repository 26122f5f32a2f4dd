import { describe, expect, it } from 'vitest';
import { checkSenderOrder } from './senderOrder.ts';
import { History, verdicts } from './testing/history.ts';

const call = (payload: string) => ({ queue: 'q', key: 'k', payload, delayMs: 0 });
const at = (message: number, partition = 0) => ({ partition, message });

describe('the order of sending', () => {
  it('holds for calls that overlap', () => {
    for (const [first, second, expected] of [
      [1, 2, []],
      [2, 1, ['order of sending: broken']],
    ] as const) {
      const history = new History();
      const a = history.begin(1, 'enqueue', call('a'));
      const b = history.begin(1, 'enqueue', call('b'));
      b.ok(at(second));
      a.ok(at(first));
      expect(verdicts(checkSenderOrder(history.operations))).toEqual(expected);
    }
  });

  it('is one of each client and each partition', () => {
    const history = new History();
    history.did(1, 'enqueue', call('a'), at(5));
    history.did(2, 'enqueue', call('b'), at(4));
    history.did(1, 'enqueue', call('c'), at(3, 1));
    expect(checkSenderOrder(history.operations)).toEqual([]);
  });

  it('ends with the session', () => {
    const history = new History();
    const a = history.begin(1, 'enqueue', call('a'));
    const b = history.begin(1, 'enqueue', call('b'));
    b.ok(at(1));
    history.did(1, 'sessionLost', { group: 1, session: 7 }, {});
    a.ok(at(2));
    const c = history.begin(1, 'enqueue', call('c'));
    c.ok(at(3));
    expect(checkSenderOrder(history.operations)).toEqual([]);
  });
});
