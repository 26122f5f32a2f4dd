import { LIMITS, LockMode, QueryOp, type SessionId } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import {
  ack,
  acquire,
  assign,
  bytes,
  close,
  configure,
  dequeue,
  enqueue,
  expire,
  expireSessions,
  featureLevel,
  numbered,
  open,
  put,
} from './testing/commands.ts';
import { coordination, data } from './testing/world.ts';

describe('registrations', () => {
  it('have ids that are never used again', () => {
    const w = coordination();
    expect(w.number(open())).toBe(1);
    w.ok(expireSessions(1));
    expect(w.number(open())).toBe(2);
    w.ok(close(2));
    expect(w.number(open())).toBe(3);
    expect([...w.machine.sessions()]).toEqual([[3, 10_000]]);
  });

  it('are refused when unknown, and closing needs one', () => {
    const w = coordination();
    expect(w.code(close(7))).toBe('SESSION_EXPIRED');
    expect(w.code(close(0))).toBe('INVALID_ARGUMENT');
    expect(w.ok(expireSessions(7))).toEqual([]);
    expect(w.pushes()).toEqual([]);
  });

  it('tell their next number', () => {
    const w = coordination();
    const session = w.number(open(5_000)) as SessionId;
    w.run(numbered(expire(), 0));
    w.run(numbered(acquire(session, 'a', LockMode.Exclusive, 0), 1));
    expect(w.ask([QueryOp.SessionInspect, session])).toEqual([true, 2, 5_000]);
    expect(w.ask([QueryOp.SessionInspect, 99 as SessionId])).toEqual([false, 0, 0]);
  });
});

describe('numbered writes', () => {
  it('apply once: a resend gets the first reply, also when that was an error', () => {
    const w = coordination();
    const [one, two] = [w.number(open()), w.number(open())];
    const first = numbered(acquire(one, 'a', LockMode.Exclusive, 0), 1);
    const refused = numbered(acquire(two, 'a', LockMode.Exclusive, 0), 1);
    const granted = w.run(first);
    expect(w.code(refused)).toBe('LOCK_HELD');
    w.ok(close(one));
    expect(w.code(refused)).toBe('LOCK_HELD');
    expect(w.ok(numbered(acquire(two, 'a', LockMode.Exclusive, 0), 2))[0]).toBeGreaterThan(0);
    expect(w.code(first)).toBe('SESSION_EXPIRED');
    expect(granted.ok).toBe(true);
  });

  it('refuse a gap with the number expected, and store nothing of it', () => {
    const w = data();
    w.ok(assign());
    const session = w.number(open());
    const before = w.machine.digest();
    expect(w.run(numbered(dequeue(session, 'q', 1), 3))).toMatchObject({ code: 'SEQUENCE_GAP', detail: 1 });
    expect(w.machine.digest()).toBe(before);
    expect(w.code(numbered(dequeue(session, 'q', 1), 1))).toBe('NOT_FOUND');
    expect(w.run(numbered(dequeue(session, 'q', 1), 3))).toMatchObject({ code: 'SEQUENCE_GAP', detail: 2 });
  });

  it('forget replies below the floor, and all that leave the window', () => {
    const w = data();
    const session = w.number(open());
    const run = (seq: number, floor: number) => w.code(numbered(dequeue(session, 'q', 1), seq, floor));
    for (let seq = 1; seq <= 10; seq++) expect(run(seq, 1)).toBe('NOT_FOUND');
    expect(run(11, 8)).toBe('NOT_FOUND');
    expect(run(7, 1)).toBe('OUTCOME_UNKNOWN');
    expect(run(8, 1)).toBe('NOT_FOUND');
    const last = 11 + LIMITS.sessionWindow;
    for (let seq = 12; seq <= last; seq++) run(seq, 8);
    expect(run(last - LIMITS.sessionWindow, 1)).toBe('OUTCOME_UNKNOWN');
    expect(run(last - LIMITS.sessionWindow + 1, 1)).toBe('NOT_FOUND');
  });

  it('keep receipts of a dequeue: a resend gives what is still in flight under that delivery', () => {
    const w = data();
    w.ok(assign());
    w.ok(configure('q', 1, [1, 1000]));
    const session = w.number(open());
    w.ok(enqueue(0, 'q', 0, [bytes(1), 0], [bytes(2), 0], [bytes(3), 0]));
    const take = numbered(dequeue(session, 'q', 3), 1);
    expect(w.deliveries(take).map(([, id]) => id)).toEqual([1, 2, 3]);
    w.ok(ack('q', [0, 2, 1]));
    expect(w.deliveries(take)).toEqual([
      [0, 1, 1, w.stampMs, bytes(1)],
      [0, 3, 1, w.stampMs, bytes(3)],
    ]);
    w.stampMs += 1000;
    w.ok(expire());
    w.deliveries(dequeue(0, 'q', 1));
    expect(w.deliveries(take)).toEqual([]);
  });

  it('pass unnumbered writes of the same session by', () => {
    const w = data();
    const session = w.number(open());
    for (let i = 0; i < 3; i++) w.run(dequeue(session, 'q', 1));
    expect(w.ask([QueryOp.SessionInspect, session as SessionId])[1]).toBe(1);
  });
});

describe('both machines', () => {
  it('raise the feature level and never lower it', () => {
    const w = data();
    expect(w.ok(featureLevel(3))).toEqual([3]);
    expect(w.ok(featureLevel(2))).toEqual([3]);
    expect(w.machine.featureLevel()).toBe(3);
  });

  it('refuse the operations of the other', () => {
    expect(coordination().code(put('k', bytes()))).toBe('UNSUPPORTED');
    expect(data().code(acquire(0, 'a', LockMode.Shared, 0))).toBe('UNSUPPORTED');
    expect(coordination().machine.query([QueryOp.CacheGet, 'k'])).toBeNull();
    expect(data().machine.query([QueryOp.ClusterInspect])).toBeNull();
  });
});
