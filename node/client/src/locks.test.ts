import { describe, expect, it } from 'vitest';
import { Op, QueryOp } from './protocol/commands.ts';
import { result, setUp } from './testing/setup.ts';
import { watch } from './testing/virtualClock.ts';

describe('a lock', () => {
  it('passes from client to client by push, with a higher token', async () => {
    const { clock, client, another } = await setUp();
    const other = await another();
    const first = await result(clock, client.locks.acquire('l'));
    const waiting = watch(other.locks.acquire('l'));
    await clock.advance(100);
    expect(waiting.outcome.status).toBe('pending');
    await result(clock, first.release());
    await clock.advance(0);
    expect(waiting.outcome).toMatchObject({ status: 'resolved', value: { name: 'l', held: true } });
    const second = waiting.outcome.status === 'resolved' ? waiting.outcome.value : null;
    expect(second!.token).toBeGreaterThan(first.token);
    expect(first.held).toBe(false);
  });

  it('that is held cannot be tried, and can be tried again once it is free', async () => {
    const { clock, client, another } = await setUp();
    const other = await another();
    const held = await result(clock, client.locks.acquire('l'));
    expect(await result(clock, other.locks.tryAcquire('l'))).toBeNull();
    expect(await result(clock, client.locks.tryAcquire('l'))).toBeNull();
    await result(clock, held.release());
    expect(await result(clock, other.locks.tryAcquire('l'))).not.toBeNull();
  });

  it('excludes callers of one client from each other, in order', async () => {
    const { clock, client } = await setUp();
    const order: number[] = [];
    let inside = 0;
    const all = Array.from({ length: 20 }, async (_, i) => {
      const lock = await client.locks.acquire('l');
      inside++;
      expect(inside).toBe(1);
      order.push(i);
      await new Promise<void>((resolve) => clock.after(5, resolve));
      inside--;
      await lock.release();
      return lock.token;
    });
    const tokens = await result(clock, Promise.all(all));
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(new Set(tokens).size).toBe(20);
  });

  it('in shared mode admits several, of one client and of others, and no writer', async () => {
    const { clock, cluster, client, another } = await setUp();
    const other = await another();
    const a = await result(clock, client.locks.acquire('l', { mode: 'shared' }));
    const b = await result(clock, client.locks.acquire('l', { mode: 'shared' }));
    const c = await result(clock, other.locks.acquire('l', { mode: 'shared' }));
    const writer = watch(other.locks.acquire('l'));
    await result(clock, a.release());
    // The client still holds it for its other caller.
    expect(cluster.seen(Op.LockRelease)).toEqual([]);
    await result(clock, b.release());
    await clock.advance(50);
    expect(writer.outcome.status).toBe('pending');
    await result(clock, c.release());
    await clock.advance(50);
    expect(writer.outcome.status).toBe('resolved');
  });

  it('not granted within its wait rejects with TIMEOUT, told by the members or by this client', async () => {
    const { clock, cluster, client, another } = await setUp();
    const other = await another();
    await result(clock, client.locks.acquire('l'));
    const remote = watch(other.locks.acquire('l', { waitMs: 300 }));
    const local = watch(client.locks.acquire('l', { waitMs: 300 }));
    await clock.advance(310);
    expect(local.outcome).toMatchObject({ status: 'rejected', error: { code: 'TIMEOUT' } });
    cluster.expire(0);
    await clock.advance(10);
    expect(remote.outcome).toMatchObject({ status: 'rejected', error: { code: 'TIMEOUT' } });
  });

  it('is released once and only once', async () => {
    const { clock, cluster, client } = await setUp();
    const lock = await result(clock, client.locks.acquire('l'));
    await result(clock, Promise.all([lock.release(), lock.release()]));
    expect(cluster.seen(Op.LockRelease)).toHaveLength(1);
    expect((await result(clock, client.locks.inspect('l'))).holders).toEqual([]);
  });

  it('is refused with the field that is wrong', async () => {
    const { clock, client } = await setUp();
    for (const [name, options] of [
      ['', {}],
      ['x'.repeat(300), {}],
      ['a\ud800', {}],
      ['l', { waitMs: -5 }],
      ['l', { waitMs: 1.5 }],
      ['l', { waitMs: Number.NaN }],
      ['l', { mode: 'update' as never }],
      [7 as never, {}],
    ] as const) {
      const refused = watch(client.locks.acquire(name, options));
      await clock.advance(10);
      expect(refused.outcome).toMatchObject({
        status: 'rejected',
        error: { code: expect.stringMatching(/INVALID_ARGUMENT|TOO_LARGE/) },
      });
    }
    expect(await result(clock, client.locks.tryAcquire('l'))).not.toBeNull();
  });
});

describe('a waiting request', () => {
  it('finds its grant by a re-read when the push was lost with the old leader', async () => {
    const { clock, cluster, client, another } = await setUp();
    const other = await another();
    const held = await result(clock, client.locks.acquire('l'));
    const waiting = watch(other.locks.acquire('l'));
    await clock.advance(50);
    cluster.pushing = false;
    await result(clock, held.release());
    expect(waiting.outcome.status).toBe('pending');
    cluster.lead(0, 102);
    await clock.advance(50);
    expect(waiting.outcome.status).toBe('resolved');
  });

  it('finds its grant after its connection broke', async () => {
    const { clock, cluster, client, another } = await setUp();
    const other = await another();
    const held = await result(clock, client.locks.acquire('l'));
    const waiting = watch(other.locks.acquire('l'));
    await clock.advance(50);
    const released = held.release();
    await clock.settle();
    cluster.cut();
    await result(clock, released);
    await clock.advance(4_000);
    expect(waiting.outcome.status).toBe('resolved');
  });

  it('whose acquire reply and push were both lost is granted when the acquire is answered again', async () => {
    const { clock, cluster, client, another } = await setUp();
    const other = await another();
    await result(clock, other.locks.acquire('warm'));
    const held = await result(clock, client.locks.acquire('l'));
    cluster.onWrite = ({ command }) => (command[0] === Op.LockAcquire ? 'mute' : 'normal');
    const waiting = watch(other.locks.acquire('l'));
    await clock.advance(20);
    cluster.pushing = false;
    cluster.onWrite = () => 'normal';
    await result(clock, held.release());
    cluster.pushing = true;
    cluster.cut();
    await clock.advance(500);
    expect(waiting.outcome.status).toBe('resolved');
  });

  it('whose push overtakes the reply is granted once', async () => {
    const { clock, cluster, client, another } = await setUp();
    const other = await another();
    const warm = await result(clock, other.locks.acquire('warm'));
    await result(clock, warm.release());
    const held = await result(clock, client.locks.acquire('l'));
    // The reply to the acquire comes only with its resend, after the push.
    let mute = true;
    cluster.onWrite = ({ command }) => {
      if (command[0] !== Op.LockAcquire || !mute) return 'normal';
      mute = false;
      return 'mute';
    };
    const waiting = watch(other.locks.acquire('l'));
    await clock.advance(20);
    await result(clock, held.release());
    expect(waiting.outcome.status).toBe('pending');
    cluster.lead(0, 103);
    await clock.advance(200);
    expect(waiting.outcome.status).toBe('resolved');
    expect((await result(clock, client.locks.inspect('l'))).holders).toHaveLength(1);
  });

  it('that is aborted leaves the queue', async () => {
    const { clock, cluster, client, another } = await setUp();
    const other = await another();
    const held = await result(clock, client.locks.acquire('l'));
    const abort = new AbortController();
    const waiting = watch(other.locks.acquire('l', { signal: abort.signal }));
    await clock.advance(50);
    abort.abort();
    await clock.advance(50);
    expect(waiting.outcome).toMatchObject({ status: 'rejected', error: { code: 'CANCELLED' } });
    expect(cluster.seen(Op.LockCancel)).toHaveLength(1);
    expect((await result(clock, client.locks.inspect('l'))).waiters).toEqual([]);
    await result(clock, held.release());
    expect((await result(clock, client.locks.inspect('l'))).holders).toEqual([]);
  });

  it('that is aborted while the grant is on its way gives the lock back', async () => {
    const { clock, cluster, client, another } = await setUp();
    const other = await another();
    const held = await result(clock, client.locks.acquire('l'));
    const abort = new AbortController();
    const waiting = watch(other.locks.acquire('l', { signal: abort.signal }));
    await clock.advance(50);
    cluster.pushing = false;
    await result(clock, held.release());
    abort.abort();
    await clock.advance(50);
    expect(waiting.outcome).toMatchObject({ status: 'rejected', error: { code: 'CANCELLED' } });
    expect((await result(clock, client.locks.inspect('l'))).holders).toEqual([]);
  });

  it('that is aborted before it was told that it is queued leaves the queue', async () => {
    const { clock, cluster, client, another } = await setUp();
    const other = await another();
    const held = await result(clock, client.locks.acquire('l'));
    const warm = await result(clock, other.locks.acquire('warm'));
    await result(clock, warm.release());
    cluster.latencyMs = () => 50;
    const abort = new AbortController();
    const waiting = watch(other.locks.acquire('l', { signal: abort.signal }));
    await clock.advance(10);
    abort.abort();
    await clock.advance(200);
    expect(waiting.outcome).toMatchObject({ status: 'rejected', error: { code: 'CANCELLED' } });
    expect((await result(clock, client.locks.inspect('l'))).waiters).toEqual([]);
    await result(clock, held.release());
  });

  it('that is aborted before its acquire was answered gives back what it got', async () => {
    const { clock, cluster, client } = await setUp();
    const warm = await result(clock, client.locks.acquire('warm'));
    await result(clock, warm.release());
    cluster.onWrite = ({ command }) => (command[0] === Op.LockAcquire ? 'mute' : 'normal');
    const abort = new AbortController();
    const waiting = watch(client.locks.acquire('l', { signal: abort.signal }));
    await clock.advance(10);
    abort.abort();
    await clock.advance(0);
    expect(waiting.outcome.status).toBe('rejected');
    const next = watch(client.locks.acquire('l'));
    cluster.onWrite = () => 'normal';
    cluster.cut();
    await clock.advance(500);
    // The next caller got a grant of its own, not the one that was given back.
    expect(next.outcome).toMatchObject({ status: 'resolved', value: { held: true } });
    expect((await result(clock, client.locks.inspect('l'))).holders).toHaveLength(1);
  });

  it('reads again with every keepalive, in case a push went astray', async () => {
    const { clock, cluster, client, another } = await setUp({ sessionTtlMs: 3_000 });
    const other = await another();
    const held = await result(clock, client.locks.acquire('l'));
    const waiting = watch(other.locks.acquire('l'));
    await clock.advance(50);
    cluster.pushing = false;
    await result(clock, held.release());
    let reads = 0;
    cluster.onRead = (_group, query) => {
      if (query[0] === QueryOp.LockWaiters) reads++;
      return 'normal';
    };
    await clock.advance(1_100);
    expect(waiting.outcome.status).toBe('resolved');
    expect(reads).toBeGreaterThan(0);
  });
});
