import { describe, expect, it } from 'vitest';
import { checkQueueOrder } from './queueOrder.ts';
import { History, verdicts } from './testing/history.ts';
import { delivered, RECEIVE, send, take } from './testing/queue.ts';

const BROKEN = 'queue order: broken';

describe('queue order', () => {
  it('allows first deliveries in order, and a redelivery after its successors', () => {
    const history = new History();
    send(history, 'a', 1);
    send(history, 'b', 2);
    take(history, delivered('a', 1));
    take(history, delivered('b', 2));
    take(history, delivered('a', 1, 2));
    expect(checkQueueOrder(history.operations)).toEqual([]);
  });

  it('refuses a message that overtook its predecessor', () => {
    const history = new History();
    send(history, 'a', 1);
    send(history, 'b', 2);
    take(history, delivered('b', 2));
    take(history, delivered('a', 1));
    expect(verdicts(checkQueueOrder(history.operations))).toEqual([BROKEN]);
  });

  it('allows it to overtake one that was sent with a delay, or while both were on their way', () => {
    const delayed = new History();
    send(delayed, 'a', 1, 'k', 100);
    send(delayed, 'b', 2);
    take(delayed, delivered('b', 2));
    take(delayed, delivered('a', 1));
    expect(checkQueueOrder(delayed.operations)).toEqual([]);

    const together = new History();
    send(together, 'a', 1);
    send(together, 'b', 2);
    const first = together.begin(2, 'receive', RECEIVE);
    take(together, delivered('b', 2));
    first.ok({ deliveries: [delivered('a', 1)] });
    expect(checkQueueOrder(together.operations)).toEqual([]);
  });

  it('allows a first delivery to have been lost with its answer', () => {
    const history = new History();
    send(history, 'a', 1);
    send(history, 'b', 2);
    history.begin(2, 'receive', RECEIVE).unknown('TIMEOUT');
    take(history, delivered('b', 2));
    take(history, delivered('a', 1, 2));
    expect(checkQueueOrder(history.operations)).toEqual([]);
  });

  it('refuses one answer that is not in order', () => {
    const history = new History();
    send(history, 'a', 1);
    send(history, 'b', 2);
    take(history, delivered('b', 2), delivered('a', 1));
    expect(verdicts(checkQueueOrder(history.operations))).toEqual([BROKEN]);
  });

  it('refuses a lower id for what was sent later', () => {
    const history = new History();
    send(history, 'a', 2, null);
    send(history, 'b', 1, null);
    expect(verdicts(checkQueueOrder(history.operations))).toEqual([BROKEN]);
  });

  it('refuses to turn round what one client sent of one key without waiting, while its session lived', () => {
    const sends = (loses: boolean): History => {
      const history = new History();
      const call = { queue: 'q', key: 'k', delayMs: 0 };
      const first = history.begin(1, 'enqueue', { ...call, payload: 'a' });
      const second = history.begin(1, 'enqueue', { ...call, payload: 'b' });
      if (loses) history.did(1, 'sessionLost', { group: 1, session: 3 }, {});
      second.ok({ partition: 0, message: 1 });
      first.ok({ partition: 0, message: 2 });
      return history;
    };
    expect(verdicts(checkQueueOrder(sends(false).operations))).toEqual([BROKEN]);
    expect(checkQueueOrder(sends(true).operations)).toEqual([]);
  });

  it('refuses two partitions for one key', () => {
    const history = new History();
    send(history, 'a', 1);
    history.did(
      1,
      'enqueue',
      { queue: 'q', key: 'k', payload: 'b', delayMs: 0 },
      { partition: 1, message: 2 },
    );
    expect(verdicts(checkQueueOrder(history.operations))).toEqual([BROKEN]);
  });
});
