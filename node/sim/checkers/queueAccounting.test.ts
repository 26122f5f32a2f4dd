import { describe, expect, it } from 'vitest';
import { checkQueueAccounting } from './queueAccounting.ts';
import { History, verdicts } from './testing/history.ts';
import { acknowledge, delivered, depth, RECEIVE, receipt, send, take } from './testing/queue.ts';

const BROKEN = 'queue accounting: broken';

describe('queue accounting', () => {
  it('is content when everything was acknowledged, redelivered or is still there', () => {
    const history = new History();
    send(history, 'a', 1);
    send(history, 'b', 2);
    send(history, 'c', 3);
    take(history, delivered('a', 1), delivered('b', 2));
    acknowledge(history, 1);
    take(history, delivered('b', 2, 2));
    acknowledge(history, 2, 2);
    depth(history, 1);
    expect(checkQueueAccounting(history.operations)).toEqual([]);
  });

  it('misses a message that was acknowledged to its sender and is gone', () => {
    const history = new History();
    send(history, 'a', 1);
    send(history, 'b', 2);
    take(history, delivered('a', 1));
    acknowledge(history, 1);
    depth(history);
    const violations = checkQueueAccounting(history.operations);
    expect(verdicts(violations)).toEqual([BROKEN]);
    expect(violations[0]!.what).toContain('"b"');
  });

  it('misses one that was delivered, not acknowledged, and is gone', () => {
    const history = new History();
    send(history, 'a', 1);
    take(history, delivered('a', 1));
    history.begin(2, 'ack', receipt(1)).fail('STALE_RECEIPT');
    depth(history);
    expect(verdicts(checkQueueAccounting(history.operations))).toEqual([BROKEN]);
  });

  it('lets what was never answered be there or not', () => {
    for (const left of [0, 1, 2]) {
      const history = new History();
      history.begin(1, 'enqueue', { queue: 'q', key: null, payload: 'a', delayMs: 0 }).unknown('TIMEOUT');
      send(history, 'b', 2);
      take(history, delivered('b', 2));
      history.begin(2, 'ack', receipt(2)).unknown('OUTCOME_UNKNOWN');
      history.begin(4, 'receive', RECEIVE).unknown('TIMEOUT');
      depth(history, left);
      expect(checkQueueAccounting(history.operations), `${left}`).toEqual([]);
    }
  });

  it('refuses more than was ever sent', () => {
    const history = new History();
    send(history, 'a', 1);
    depth(history, 2);
    expect(verdicts(checkQueueAccounting(history.operations))).toEqual([BROKEN]);
  });

  it('refuses what nobody sent, what was refused, and what came before it was sent', () => {
    const phantom = new History();
    take(phantom, delivered('a', 1));
    depth(phantom, 1);
    const refused = new History();
    refused.begin(1, 'enqueue', { queue: 'q', key: null, payload: 'a', delayMs: 0 }).fail('DISK_FULL');
    take(refused, delivered('a', 1));
    depth(refused);
    const early = new History();
    take(early, delivered('a', 1));
    send(early, 'a', 1);
    depth(early, 1);
    for (const { operations } of [phantom, refused, early]) {
      expect(verdicts(checkQueueAccounting(operations))).toContain(BROKEN);
    }
  });

  it('refuses a delivery of what was acknowledged, afterwards and with a later count', () => {
    const history = new History();
    send(history, 'a', 1);
    take(history, delivered('a', 1));
    acknowledge(history, 1);
    take(history, delivered('a', 1, 2));
    depth(history);
    expect(verdicts(checkQueueAccounting(history.operations))).toContain(BROKEN);
  });

  it('refuses an ack that succeeded for a delivery that was not the latest', () => {
    const history = new History();
    send(history, 'a', 1);
    take(history, delivered('a', 1));
    const open = history.begin(2, 'ack', receipt(1));
    take(history, delivered('a', 1, 2));
    open.ok({});
    depth(history);
    expect(verdicts(checkQueueAccounting(history.operations))).toEqual([BROKEN]);
  });

  it('refuses two acks of one message', () => {
    const history = new History();
    send(history, 'a', 1);
    take(history, delivered('a', 1));
    acknowledge(history, 1);
    acknowledge(history, 1);
    depth(history);
    expect(verdicts(checkQueueAccounting(history.operations))).toEqual([BROKEN]);
  });

  it('does not decide without a look at the depth after everything', () => {
    const history = new History();
    send(history, 'a', 1);
    expect(verdicts(checkQueueAccounting(history.operations))).toEqual(['queue accounting: undecided']);
    depth(history, 1);
    expect(checkQueueAccounting(history.operations)).toEqual([]);
    send(history, 'b', 2);
    expect(verdicts(checkQueueAccounting(history.operations))).toEqual(['queue accounting: undecided']);
  });
});
