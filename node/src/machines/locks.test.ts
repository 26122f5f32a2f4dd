import {
  LockMode,
  PushKind,
  QueryOp,
  type SessionId,
  WAIT_FOREVER,
  type WaiterId,
} from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { acquire, cancel, close, expire, expireSessions, open, release } from './testing/commands.ts';
import { coordination } from './testing/world.ts';

const { Shared, Exclusive } = LockMode;

function world(sessions: number) {
  const w = coordination();
  return {
    w,
    ids: Array.from({ length: sessions }, () => w.number(open())) as [number, number, number, number],
  };
}

describe('acquire', () => {
  it('needs a session that exists', () => {
    const { w } = world(1);
    expect(w.code(acquire(0, 'a', Exclusive, 0))).toBe('INVALID_ARGUMENT');
    expect(w.code(release(0, 'a', 1))).toBe('INVALID_ARGUMENT');
    expect(w.code(cancel(0, 1))).toBe('INVALID_ARGUMENT');
    expect(w.code(acquire(99, 'a', Exclusive, 0))).toBe('SESSION_EXPIRED');
  });

  it('grants a free lock at once, with a token from the stamp, and again with the same token', () => {
    const { w, ids } = world(1);
    expect(w.ok(acquire(ids[0], 'a', Exclusive, 0))).toEqual([1_000_000 * 1024, 0]);
    expect(w.ok(acquire(ids[0], 'a', Exclusive, 0))).toEqual([1_000_000 * 1024, 0]);
    expect(w.ok(acquire(ids[0], 'b', Shared, 0))).toEqual([1_000_000 * 1024 + 1, 0]);
  });

  it.each([
    [Exclusive, Exclusive, 'LOCK_HELD'],
    [Exclusive, Shared, 'LOCK_HELD'],
    [Shared, Exclusive, 'LOCK_HELD'],
    [Shared, Shared, 'granted'],
  ])('held in mode %i by another session, tried in mode %i: %s', (held, wanted, result) => {
    const { w, ids } = world(2);
    w.ok(acquire(ids[0], 'a', held, 0));
    const outcome = w.run(acquire(ids[1], 'a', wanted, 0));
    expect(outcome.ok ? 'granted' : outcome.code).toBe(result);
  });

  it.each([
    [Shared, Exclusive],
    [Exclusive, Shared],
  ])('refuses to turn a hold of mode %i into mode %i', (held, wanted) => {
    const { w, ids } = world(1);
    w.ok(acquire(ids[0], 'a', held, 0));
    expect(w.run(acquire(ids[0], 'a', wanted, 5))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('release it before'),
    });
  });

  it('lets a reader wait behind a waiting writer, and refuses it when it only tries', () => {
    const { w, ids } = world(3);
    w.ok(acquire(ids[0], 'a', Shared, 0));
    w.ok(acquire(ids[1], 'a', Exclusive, WAIT_FOREVER));
    expect(w.code(acquire(ids[2], 'a', Shared, 0))).toBe('LOCK_HELD');
    expect(w.ok(acquire(ids[2], 'a', Shared, 10))[0]).toBe(0);
  });
});

describe('release', () => {
  it('checks session, name and token', () => {
    const { w, ids } = world(2);
    const token = w.number(acquire(ids[0], 'a', Exclusive, 0));
    expect(w.code(release(ids[1], 'a', token))).toBe('LOCK_NOT_HELD');
    expect(w.code(release(ids[0], 'b', token))).toBe('LOCK_NOT_HELD');
    expect(w.code(release(ids[0], 'a', token + 1))).toBe('LOCK_NOT_HELD');
    expect(w.ok(release(ids[0], 'a', token))).toEqual([]);
    expect(w.code(release(ids[0], 'a', token))).toBe('LOCK_NOT_HELD');
  });

  it('grants to the next writer in the same apply and pushes the grant', () => {
    const { w, ids } = world(3);
    const token = w.number(acquire(ids[0], 'a', Exclusive, 0));
    const [, second] = w.ok(acquire(ids[1], 'a', Exclusive, WAIT_FOREVER));
    const [, third] = w.ok(acquire(ids[2], 'a', Exclusive, WAIT_FOREVER));
    w.ok(release(ids[0], 'a', token));
    expect(w.pushes()).toEqual([[ids[1], [PushKind.LockGranted, second, token + 1]]]);
    w.ok(release(ids[1], 'a', token + 1));
    expect(w.pushes()).toEqual([[ids[2], [PushKind.LockGranted, third, token + 2]]]);
  });

  it('admits all leading readers together, up to the next writer', () => {
    const { w, ids } = world(4);
    const token = w.number(acquire(ids[0], 'a', Exclusive, 0));
    w.ok(acquire(ids[1], 'a', Shared, WAIT_FOREVER));
    w.ok(acquire(ids[2], 'a', Shared, WAIT_FOREVER));
    w.ok(acquire(ids[3], 'a', Exclusive, WAIT_FOREVER));
    w.ok(acquire(ids[0], 'b', Shared, 0));
    w.ok(release(ids[0], 'a', token));
    expect(w.pushes().map(([session]) => session)).toEqual([ids[1], ids[2]]);
    const [holders, waiters] = w.ask([QueryOp.LockInspect, 'a']);
    expect(holders).toHaveLength(2);
    expect(waiters).toEqual([[ids[3], expect.any(Number), Exclusive, 0]]);
  });
});

describe('waiting', () => {
  it('ends when the deadline is logged, not before', () => {
    const { w, ids } = world(2);
    w.ok(acquire(ids[0], 'a', Exclusive, 0));
    const [, waiter] = w.ok(acquire(ids[1], 'a', Exclusive, 500));
    expect(w.machine.nextDueStampMs()).toBe(w.stampMs + 500);
    w.stampMs += 499;
    w.ok(expire());
    expect(w.pushes()).toEqual([]);
    w.stampMs += 1;
    w.ok(expire());
    expect(w.pushes()).toEqual([[ids[1], [PushKind.LockWaitEnded, waiter]]]);
    expect(w.machine.nextDueStampMs()).toBe(Infinity);
    expect(w.code(cancel(ids[1], waiter as number))).toBe('NOT_FOUND');
  });

  it('lets the readers behind a writer on when the writer gives up', () => {
    const { w, ids } = world(3);
    w.ok(acquire(ids[0], 'a', Shared, 0));
    w.ok(acquire(ids[1], 'a', Exclusive, 100));
    const [, reader] = w.ok(acquire(ids[2], 'a', Shared, WAIT_FOREVER));
    w.stampMs += 100;
    w.ok(expire());
    expect(w.pushes().at(-1)).toEqual([ids[2], [PushKind.LockGranted, reader, expect.any(Number)]]);
  });

  it('can be cancelled by its own session; a granted one answers its token and stays held', () => {
    const { w, ids } = world(3);
    const token = w.number(acquire(ids[0], 'a', Exclusive, 0));
    const [, one] = w.ok(acquire(ids[1], 'a', Exclusive, 1000)) as [number, number];
    const [, two] = w.ok(acquire(ids[2], 'a', Exclusive, 1000)) as [number, number];
    expect(w.code(cancel(ids[2], one))).toBe('NOT_FOUND');
    expect(w.ok(cancel(ids[1], one))).toEqual([0]);
    w.ok(release(ids[0], 'a', token));
    expect(w.ok(cancel(ids[2], two))).toEqual([token + 1]);
    const states = w.ask([QueryOp.LockWaiters, ids[2] as SessionId, [one, two] as WaiterId[]]);
    expect(states).toEqual([
      [
        [one, -1],
        [two, token + 1],
      ],
    ]);
    expect(w.machine.nextDueStampMs()).toBe(Infinity);
  });
});

describe('end of a session', () => {
  it.each([
    ['closed', (id: number) => close(id), []],
    ['expired', (id: number) => expireSessions(id, 999), [[1, [PushKind.SessionExpired]]]],
  ] as const)('%s: releases its holds, drops its waiters and grants what follows', (_, end, own) => {
    const { w, ids } = world(3);
    w.ok(acquire(ids[0], 'a', Exclusive, 0));
    w.ok(acquire(ids[0], 'b', Shared, 0));
    w.ok(acquire(ids[1], 'c', Exclusive, 0));
    w.ok(acquire(ids[0], 'c', Exclusive, 1000));
    const [, a] = w.ok(acquire(ids[1], 'a', Exclusive, WAIT_FOREVER));
    const [, b] = w.ok(acquire(ids[2], 'b', Exclusive, WAIT_FOREVER));
    w.ok(end(ids[0]));
    const grants = [
      [ids[1], [PushKind.LockGranted, a, expect.any(Number)]],
      [ids[2], [PushKind.LockGranted, b, expect.any(Number)]],
    ];
    expect(w.pushes()).toEqual([...own, ...grants]);
    expect(w.ask([QueryOp.LockInspect, 'c'])[1]).toEqual([]);
    expect(w.machine.nextDueStampMs()).toBe(Infinity);
  });

  it('never grants to a waiter of the session that ends', () => {
    const { w, ids } = world(2);
    w.ok(acquire(ids[0], 'a', Exclusive, 0));
    w.ok(acquire(ids[1], 'b', Exclusive, 0));
    w.ok(acquire(ids[0], 'b', Exclusive, WAIT_FOREVER));
    w.ok(close(ids[0]));
    w.ok(close(ids[1]));
    expect(w.pushes()).toEqual([]);
    expect(w.ask([QueryOp.LockInspect, 'b'])).toEqual([[], []]);
  });
});

describe('one session with several shared claims on a lock', () => {
  it('releases each by its own token', () => {
    const { w, ids } = world(2);
    const token = w.number(acquire(ids[0], 'a', Exclusive, 0));
    w.ok(acquire(ids[1], 'a', Shared, WAIT_FOREVER));
    w.ok(acquire(ids[1], 'a', Shared, WAIT_FOREVER));
    w.ok(release(ids[0], 'a', token));
    expect(w.pushes()).toHaveLength(2);
    w.ok(release(ids[1], 'a', token + 1));
    expect(w.code(acquire(ids[0], 'a', Exclusive, 0))).toBe('LOCK_HELD');
    w.ok(release(ids[1], 'a', token + 2));
    expect(w.number(acquire(ids[0], 'a', Exclusive, 0))).toBe(token + 3);
  });
});
