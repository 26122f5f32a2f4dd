import { describe, expect, it } from 'vitest';
import type { AnswerPosition } from './engine.ts';
import { type Command, Op, QueryOp } from './protocol/commands.ts';
import { LIMITS } from './protocol/limits.ts';
import type { Fate } from './testing/fakeCluster.ts';
import { keyIn, result, setUp } from './testing/setup.ts';
import { watch } from './testing/virtualClock.ts';

const KEY = keyIn(1);

/** How often each put was applied: versions rise with every application, so resends show. */
function applied(cluster: { machines: readonly { query(q: never): unknown }[] }, key: string): number {
  const outcome = cluster.machines[1]!.query([QueryOp.CacheGet, key] as never) as { value: [number] };
  return outcome.value[0];
}

function seqOf(command: Command): number {
  return command[3];
}

/** Lets the script treat the first `times` puts in its own way. */
function puts(times: number, fate: Fate) {
  let left = times;
  return ({ command }: { command: Command }): Fate =>
    command[0] === Op.CachePut && left-- > 0 ? fate : 'normal';
}

describe('a write', () => {
  it('whose reply was lost is answered from the stored reply and applied once', async () => {
    const { clock, cluster, client } = await setUp();
    cluster.onWrite = puts(1, 'mute');
    const put = client.cache.put(KEY, 'v');
    const state = watch(put);
    await clock.advance(100);
    expect(state.outcome.status).toBe('pending');
    const version = applied(cluster, KEY);
    expect(version).toBeGreaterThan(0);
    cluster.cut();
    expect(await result(clock, put)).toBe(version);
    expect(applied(cluster, KEY)).toBe(version);
    expect(cluster.seen(Op.CachePut).map(({ command }) => seqOf(command))).toEqual([1, 1]);
  });

  it('tells where in the log its answer belongs, and that it may stand before', async () => {
    const { clock, cluster, client } = await setUp();
    const positions: AnswerPosition[] = [];
    const onAnswer = (position: AnswerPosition): number => positions.push(position);
    const version = await result(clock, client.cache.put(KEY, 'v', { onAnswer }));
    expect(await result(clock, client.cache.get(KEY, { onAnswer }))).toMatchObject({ version });
    cluster.onWrite = puts(1, 'mute');
    const put = client.cache.put(KEY, 'w', { onAnswer });
    await clock.advance(100);
    cluster.cut();
    await result(clock, put);
    const first = positions[0]!.index;
    expect(positions).toEqual([
      { group: 1, index: first, resent: false },
      { group: 1, index: first, resent: false },
      { group: 1, index: first + 2, resent: true },
    ]);
  });

  it('that never arrived is sent again after the connection broke', async () => {
    const { clock, cluster, client } = await setUp();
    cluster.onWrite = puts(1, 'lose');
    const put = client.cache.put(KEY, 'v');
    await clock.advance(100);
    cluster.cut();
    expect(await result(clock, put)).toBe(applied(cluster, KEY));
  });

  it('follows the hint of a member that does not lead', async () => {
    const { clock, cluster, client } = await setUp();
    await result(clock, client.cache.put(KEY, 'first'));
    cluster.forwarding = false;
    cluster.lead(1, 103, false);
    const before = clock.nowMs;
    await result(clock, client.cache.put(KEY, 'second'));
    expect(clock.nowMs - before).toBeLessThanOrEqual(20);
    expect(cluster.writes.at(-1)?.member).toBe(103);
  });

  it('waits out a time without a leader', async () => {
    const { clock, cluster, client } = await setUp();
    await result(clock, client.cache.put(KEY, 'first'));
    cluster.lead(1, 0, false);
    const put = watch(client.cache.put(KEY, 'second'));
    await clock.advance(3_000);
    expect(put.outcome.status).toBe('pending');
    const attempts = cluster.seen(Op.CachePut).length;
    expect(attempts).toBeLessThan(15);
    cluster.lead(1, 102);
    await clock.advance(20);
    expect(put.outcome.status).toBe('resolved');
  });

  it('moves over to a new leader that is announced', async () => {
    const { clock, cluster, client } = await setUp();
    await result(clock, client.cache.put(KEY, 'first'));
    cluster.lead(1, 103);
    await clock.advance(50);
    await result(clock, client.cache.put(KEY, 'second'));
    expect(cluster.writes.at(-1)?.member).toBe(103);
  });

  it('of a window is sent again in order from the lowest unsettled one', async () => {
    const { clock, cluster, client } = await setUp();
    await result(clock, client.cache.put(KEY, 'warm'));
    cluster.writes.length = 0;
    // The first of ten is lost, so all behind it are out of order.
    cluster.onWrite = puts(1, 'lose');
    const all = Promise.all(Array.from({ length: 10 }, (_, i) => client.cache.put(`${KEY}`, `v${i}`)));
    const versions = await result(clock, all);
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    expect(new Set(versions).size).toBe(10);
    const seqs = cluster.seen(Op.CachePut).map(({ command }) => seqOf(command));
    const numbers = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    // Nine gaps were answered with one pass, not with nine.
    expect(seqs).toEqual([...numbers, ...numbers]);
  });

  it('is sent again once, however many gaps are still on their way', async () => {
    const { clock, cluster, client } = await setUp();
    // With a connection to every member, nothing but what follows starts another pass.
    for (const group of [1, 2, 3]) await result(clock, client.cache.put(keyIn(group), 'warm'));
    await clock.advance(200);
    cluster.writes.length = 0;
    cluster.latencyMs = () => 50;
    cluster.onWrite = puts(1, 'lose');
    const all: Promise<number>[] = [];
    for (let i = 0; i < 10; i++) {
      all.push(client.cache.put(KEY, `v${i}`));
      await clock.advance(2);
    }
    // The last gap has come in: what is written now is not held back by it.
    await clock.advance(60);
    const sentMs = clock.nowMs;
    await result(clock, client.cache.put(KEY, 'prompt'));
    expect(clock.nowMs - sentMs).toBeLessThan(100);
    await result(clock, Promise.all(all));
    expect(cluster.seen(Op.CachePut)).toHaveLength(21);
  });

  it('whose predecessors the members have forgotten ends with its session, and so does the next in flight', async () => {
    const { clock, cluster, client, events } = await setUp();
    await result(clock, client.cache.put(KEY, 'warm'));
    // As from members that lost their volumes: number 1 is wanted, which was settled long ago.
    cluster.onWrite = ({ command }) =>
      command[0] === Op.CachePut && seqOf(command) > 1 ? ['SEQUENCE_GAP', 0, 1] : 'normal';
    const put = watch(client.cache.put(KEY, 'v'));
    const next = watch(client.cache.put(KEY, 'w'));
    await clock.advance(9_000);
    expect(events.filter(({ type }) => type === 'sessionLost')).toHaveLength(1);
    for (const { outcome } of [put, next])
      expect(outcome).toMatchObject({ status: 'rejected', error: { code: 'OUTCOME_UNKNOWN' } });
    expect(await result(clock, client.cache.put(KEY, 'x'))).toBeGreaterThan(0);
  });

  it('that was refused waits for its filler, whatever older attempts are answered', async () => {
    const { clock, cluster, client, events } = await setUp();
    // With a connection to every member, nothing but what follows starts another pass.
    for (const group of [1, 2, 3]) await result(clock, client.cache.put(keyIn(group), 'warm'));
    await clock.advance(200);
    const [first, second] = [cluster.leaders[1]!, 101];
    expect(first).not.toBe(second);
    cluster.latencyMs = (member) => (member === first ? 200 : 0);
    let fillers = 0;
    cluster.onWrite = ({ command }) => {
      if (command[0] === Op.CachePut) return ['DISK_FULL'];
      return command[0] === Op.QueueAck && fillers++ === 0 ? 'lose' : 'normal';
    };
    const put = watch(client.cache.put(KEY, 'v'));
    await clock.advance(0);
    cluster.lead(1, second);
    await clock.advance(250);
    expect(fillers).toBe(1);
    expect(put.outcome.status).toBe('pending');
    cluster.onWrite = () => 'normal';
    cluster.cut();
    await clock.advance(500);
    expect(put.outcome).toMatchObject({ status: 'rejected', error: { code: 'DISK_FULL' } });
    expect(await result(clock, client.cache.put(KEY, 'w'))).toBeGreaterThan(0);
    expect(events.filter(({ type }) => type === 'sessionLost')).toEqual([]);
  });

  it('is resent more slowly when a member is overloaded, and all get through', async () => {
    const { clock, cluster, client } = await setUp();
    await result(clock, client.cache.put(KEY, 'warm'));
    cluster.onWrite = puts(300, ['OVERLOADED']);
    const all = Promise.all(Array.from({ length: 100 }, (_, i) => client.cache.put(KEY, `v${i}`)));
    const versions = await result(clock, all);
    expect(new Set(versions).size).toBe(100);
    expect(cluster.seen(Op.CachePut).length).toBeLessThan(600);
  });

  it('that the caller cancelled still gets its sequence number settled', async () => {
    const { clock, cluster, client } = await setUp();
    await result(clock, client.cache.put(KEY, 'warm'));
    cluster.onWrite = puts(1, 'lose');
    const abort = new AbortController();
    const cancelled = watch(client.cache.put(KEY, 'cancelled', { signal: abort.signal }));
    await clock.advance(10);
    abort.abort(new Error('enough'));
    await clock.advance(0);
    expect(cancelled.outcome).toMatchObject({ status: 'rejected', error: { code: 'CANCELLED' } });
    // The next one finds the hole closed.
    await result(clock, client.cache.put(KEY, 'after'));
    const seqs = cluster.seen(Op.CachePut).map(({ command }) => seqOf(command));
    expect(seqs).toEqual([1, 2, 3, 2, 3]);
  });

  it('rejects with TIMEOUT at its deadline and leaves no hole behind', async () => {
    const { clock, cluster, client } = await setUp();
    await result(clock, client.cache.put(KEY, 'warm'));
    cluster.lead(1, 0, false);
    const late = watch(client.cache.put(KEY, 'late', { timeoutMs: 500 }));
    await clock.advance(600);
    expect(late.outcome).toMatchObject({ status: 'rejected', error: { code: 'TIMEOUT' } });
    cluster.lead(1, 102);
    await result(clock, client.cache.put(KEY, 'after'));
    expect((await result(clock, client.cache.get(KEY)))?.value.toString()).toBe('after');
  });

  it('that was cancelled before it was sent is never sent', async () => {
    const { clock, cluster, client } = await setUp();
    const abort = new AbortController();
    const put = watch(client.cache.put(KEY, 'v', { signal: abort.signal }));
    abort.abort();
    await clock.advance(200);
    expect(put.outcome).toMatchObject({ status: 'rejected', error: { code: 'CANCELLED' } });
    expect(cluster.seen(Op.CachePut)).toEqual([]);
    expect(await result(clock, client.cache.put(KEY, 'w'))).toBeGreaterThan(0);
  });

  it('refused before it was proposed leaves its sequence number to a filler', async () => {
    const { clock, cluster, client } = await setUp();
    await result(clock, client.cache.put(KEY, 'warm'));
    let refusals = 3;
    cluster.onWrite = ({ command }) =>
      command[0] === Op.CachePut && refusals-- > 0 ? ['DISK_FULL'] : 'normal';
    const outcomes = Array.from({ length: 5 }, (_, i) => watch(client.cache.put(KEY, `v${i}`)));
    await clock.advance(1_000);
    expect(outcomes.map(({ outcome }) => outcome.status)).toEqual([
      'rejected',
      'rejected',
      'rejected',
      'resolved',
      'resolved',
    ]);
    expect(outcomes[0]!.outcome).toMatchObject({ error: { code: 'DISK_FULL' } });
    await result(clock, client.cache.put(KEY, 'after'));
  });

  it('that had been applied although a resend was refused is reported as applied', async () => {
    const { clock, cluster, client } = await setUp();
    await result(clock, client.cache.put(KEY, 'warm'));
    let step = 0;
    cluster.onWrite = ({ command }) => {
      if (command[0] !== Op.CachePut) return 'normal';
      step++;
      return step === 1 ? 'mute' : step === 2 ? ['DISK_FULL'] : 'normal';
    };
    const put = client.cache.put(KEY, 'v');
    await clock.advance(10);
    const version = applied(cluster, KEY);
    cluster.cut();
    expect(await result(clock, put)).toBe(version);
  });

  it('beyond the window waits in the client and goes out in order', async () => {
    const { clock, cluster, client } = await setUp();
    await result(clock, client.cache.put(KEY, 'warm'));
    cluster.onWrite = () => 'lose';
    const all = Array.from({ length: LIMITS.sessionWindow + 50 }, (_, i) => client.cache.put(KEY, `${i}`));
    await clock.advance(50);
    expect(cluster.seen(Op.CachePut).length).toBe(1 + LIMITS.sessionWindow);
    cluster.onWrite = () => 'normal';
    cluster.cut();
    const versions = await result(clock, Promise.all(all));
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    expect((await result(clock, client.cache.get(KEY)))?.value.toString()).toBe(
      `${LIMITS.sessionWindow + 49}`,
    );
  });

  it('keeps no more than a bounded number of bytes packed for resending', async () => {
    const { clock, cluster, client } = await setUp();
    await result(clock, client.cache.put(KEY, 'warm'));
    cluster.onWrite = () => 'lose';
    const all = Array.from({ length: 80 }, () => client.cache.put(KEY, Buffer.alloc(1024 * 1024)));
    await clock.advance(50);
    expect(cluster.seen(Op.CachePut).length).toBeLessThan(40);
    cluster.onWrite = () => 'normal';
    cluster.cut();
    expect(new Set(await result(clock, Promise.all(all))).size).toBe(80);
  });

  it('refused with a code of a newer version fails, and its connection stays', async () => {
    const { clock, cluster, client, events } = await setUp();
    await result(clock, client.cache.put(KEY, 'warm'));
    await clock.advance(100);
    events.length = 0;
    cluster.onWrite = puts(1, ['BRAND_NEW' as never]);
    const put = watch(client.cache.put(KEY, 'v'));
    await clock.advance(100);
    expect(put.outcome).toMatchObject({ status: 'rejected', error: { code: 'INTERNAL' } });
    expect(await result(clock, client.cache.put(KEY, 'w'))).toBeGreaterThan(0);
    expect(events.filter(({ type }) => type === 'disconnected')).toEqual([]);
  });

  it('of one turn shares one chunk with all others', async () => {
    const { clock, cluster, client } = await setUp({ members: 1 });
    await result(clock, client.cache.put(KEY, 'warm'));
    const before = cluster.chunks;
    const all = Array.from({ length: 200 }, (_, i) => client.cache.put(KEY, `v${i}`));
    await clock.advance(0);
    expect(cluster.chunks - before).toBe(1);
    await result(clock, Promise.all(all));
  });

  it('survives a storm of lost requests, lost replies, cuts and leader changes, applied once each', async () => {
    const { clock, cluster, client } = await setUp();
    const queue = await result(clock, client.queues.declare('storm', { partitions: 6 }));
    const seen = new Map<string, number>();
    let luck = 1;
    const chance = (): number => {
      luck = (Math.imul(luck, 48_271) >>> 0) % 0x7fff_ffff;
      return luck / 0x7fff_ffff;
    };
    cluster.onWrite = () => {
      const draw = chance();
      if (draw < 0.05) return 'lose';
      if (draw < 0.15) return 'mute';
      if (draw < 0.2) return ['UNAVAILABLE'];
      return draw < 0.25 ? ['OVERLOADED'] : 'normal';
    };
    const sent: Promise<unknown>[] = [];
    for (let round = 0; round < 60; round++) {
      for (let i = 0; i < 5; i++) sent.push(queue.enqueue(`m-${round}-${i}`));
      await clock.advance(20);
      if (round % 5 === 0) cluster.cut(101 + (round % 3));
      if (round % 7 === 0) cluster.lead(1 + (round % 3), 101 + (round % 2), round % 2 === 0);
    }
    cluster.onWrite = () => 'normal';
    cluster.cut();
    await result(clock, Promise.all(sent));
    for (;;) {
      const messages = await result(clock, queue.receive({ max: 100 }));
      if (messages.length === 0) break;
      for (const message of messages) seen.set(message.text(), (seen.get(message.text()) ?? 0) + 1);
      await result(clock, queue.ack(messages));
    }
    expect(seen.size).toBe(300);
    expect([...seen.values()].every((count) => count === 1)).toBe(true);
  });
});
