import { describe, expect, it } from 'vitest';
import { checkDeliveryCounts } from './deliveryCounts.ts';
import { History, verdicts } from './testing/history.ts';
import { delivered, RECEIVE, send, take } from './testing/queue.ts';

const BROKEN = 'delivery counts: broken';

describe('delivery counts', () => {
  it('go up by one', () => {
    const history = new History();
    send(history, 'a', 1);
    for (const delivery of [1, 2, 3]) take(history, delivered('a', 1, delivery));
    expect(checkDeliveryCounts(history.operations)).toEqual([]);
  });

  it('must not come twice', () => {
    const history = new History();
    send(history, 'a', 1);
    take(history, delivered('a', 1));
    take(history, delivered('a', 1));
    expect(verdicts(checkDeliveryCounts(history.operations))).toEqual([BROKEN]);
  });

  it('must not go down', () => {
    const history = new History();
    send(history, 'a', 1);
    take(history, delivered('a', 1, 2));
    take(history, delivered('a', 1, 1));
    expect(verdicts(checkDeliveryCounts(history.operations))).toEqual([BROKEN]);
  });

  it('must not leave one out that nobody can have got', () => {
    const history = new History();
    send(history, 'a', 1);
    take(history, delivered('a', 1, 2));
    expect(verdicts(checkDeliveryCounts(history.operations))).toEqual([BROKEN]);
  });

  it('may leave out what was lost with an answer', () => {
    const lost = new History();
    send(lost, 'a', 1);
    lost.begin(2, 'receive', RECEIVE).unknown('TIMEOUT');
    take(lost, delivered('a', 1, 2));
    expect(checkDeliveryCounts(lost.operations)).toEqual([]);

    // The second answer to the same dequeue leaves out what had come back meanwhile.
    const resent = new History();
    send(resent, 'a', 1);
    resent.did(2, 'receive', RECEIVE, { deliveries: [] }, { group: 1, index: 5, resent: true });
    take(resent, delivered('a', 1, 2));
    expect(checkDeliveryCounts(resent.operations)).toEqual([]);
  });

  it('are whole numbers from 1', () => {
    const history = new History();
    send(history, 'a', 1);
    take(history, delivered('a', 1, 0));
    expect(verdicts(checkDeliveryCounts(history.operations))).toContain(BROKEN);
  });
});
