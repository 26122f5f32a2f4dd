import { describe, expect, it } from 'vitest';
import { checkExactlyOnce } from './exactlyOnce.ts';
import { History, verdicts } from './testing/history.ts';
import { delivered, send, take } from './testing/queue.ts';

const BROKEN = 'exactly once: broken';

describe('exactly once', () => {
  it('is kept by messages and values that stand under one id each', () => {
    const history = new History();
    send(history, 'a', 1);
    take(history, delivered('a', 1));
    take(history, delivered('a', 1, 2));
    history.did(1, 'cachePut', { key: 'x', value: 'v', ttlMs: 0 }, { version: 7 });
    history.did(2, 'cacheGet', { key: 'x', level: 'any' }, { version: 7, value: 'v' });
    expect(checkExactlyOnce(history.operations)).toEqual([]);
  });

  it('is broken by a message that went in twice, answered or not', () => {
    const answered = new History();
    send(answered, 'a', 1);
    take(answered, delivered('a', 2));
    expect(verdicts(checkExactlyOnce(answered.operations))).toEqual([BROKEN]);

    const unanswered = new History();
    unanswered.begin(1, 'enqueue', { queue: 'q', key: 'k', payload: 'a', delayMs: 0 }).unknown('TIMEOUT');
    take(unanswered, delivered('a', 1), delivered('a', 2));
    expect(verdicts(checkExactlyOnce(unanswered.operations))).toEqual([BROKEN]);
  });

  it('is broken by two messages of one id', () => {
    const history = new History();
    send(history, 'a', 1);
    send(history, 'b', 1);
    expect(verdicts(checkExactlyOnce(history.operations))).toEqual([BROKEN]);
  });

  it('is broken by a value under two versions, or a version with two values', () => {
    const twice = new History();
    twice.did(1, 'cachePut', { key: 'x', value: 'v', ttlMs: 0 }, { version: 7 });
    twice.did(2, 'cacheGet', { key: 'x', level: 'session' }, { version: 8, value: 'v' });
    const mixed = new History();
    mixed.did(1, 'cachePut', { key: 'x', value: 'v', ttlMs: 0 }, { version: 7 });
    mixed.did(1, 'cachePut', { key: 'x', value: 'w', ttlMs: 0 }, { version: 7 });
    for (const { operations } of [twice, mixed])
      expect(verdicts(checkExactlyOnce(operations))).toEqual([BROKEN]);
  });

  it('is broken by a release that found the lock released, unless it was lost', () => {
    const history = new History();
    const lock = { name: 'l', token: 3 };
    history.did(1, 'lockAcquire', { name: 'l', mode: 'exclusive', waitMs: null }, { token: 3 });
    history.begin(1, 'lockRelease', lock).fail('LOCK_NOT_HELD');
    expect(verdicts(checkExactlyOnce(history.operations))).toEqual([BROKEN]);
    history.did(1, 'lockLost', lock, {});
    expect(checkExactlyOnce(history.operations)).toEqual([]);
  });
});
