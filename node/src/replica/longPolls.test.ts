import type { LogIndex } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { LongPolls } from './longPolls.ts';
import { Recorder } from './testing/recorder.ts';

const INDEX = 9 as LogIndex;
const values = (r: Recorder): unknown[] => r.replies.map((reply) => [reply[1], reply[3]]);

describe('LongPolls', () => {
  it('wakes those that wait for a queue, each once', () => {
    const polls = new LongPolls();
    const [a, b] = [new Recorder(), new Recorder()];
    polls.add(a, 1, 'mail', 100);
    polls.add(b, 1, 'mail', 100);
    polls.add(a, 2, 'other', 100);
    polls.wake(new Set(['mail']), INDEX);
    polls.wake(new Set(['mail']), INDEX);
    expect(values(a)).toEqual([[1, [true]]]);
    expect(values(b)).toEqual([[1, [true]]]);
  });

  it('answers at the deadline, and not before', () => {
    const polls = new LongPolls();
    const a = new Recorder();
    polls.add(a, 1, 'mail', 100);
    polls.add(a, 2, 'mail', 200);
    polls.overdue(99, INDEX);
    expect(values(a)).toEqual([]);
    polls.overdue(100, INDEX);
    expect(values(a)).toEqual([[1, [false]]]);
    polls.overdue(200, INDEX);
    expect(values(a)).toHaveLength(2);
  });

  it('cancels one request of one connection', () => {
    const polls = new LongPolls();
    const [a, b] = [new Recorder(), new Recorder()];
    polls.add(a, 1, 'mail', 100);
    polls.add(b, 1, 'mail', 100);
    polls.cancel(a, 1);
    polls.cancel(a, 1);
    polls.cancel(a, 77);
    expect(a.outcome(1)).toBe('CANCELLED');
    polls.wake(new Set(['mail']), INDEX);
    expect(a.replies).toHaveLength(1);
    expect(b.outcome(1)).toBe('ok');
  });

  it('forgets a connection that is gone', () => {
    const polls = new LongPolls();
    const a = new Recorder();
    polls.add(a, 1, 'mail', 100);
    polls.dropConnection(a);
    polls.wake(new Set(['mail']), INDEX);
    polls.overdue(100, INDEX);
    expect(a.replies).toEqual([]);
  });

  it('refuses one connection more than it can need', () => {
    const polls = new LongPolls();
    const a = new Recorder();
    for (let request = 0; request <= 10_000; request++) polls.add(a, request, 'mail', 100);
    expect(a.replies).toHaveLength(1);
    expect(a.outcome(10_000)).toBe('OVERLOADED');
  });
});
