import { describe, expect, it } from 'vitest';
import { type Command, Op, QueryOp } from './protocol/commands.ts';
import { hashString } from './protocol/slots.ts';
import { result, setUp } from './testing/setup.ts';
import { watch } from './testing/virtualClock.ts';

async function withQueue(partitions = 6) {
  const setup = await setUp();
  const queue = await result(
    setup.clock,
    setup.client.queues.declare('q', { partitions, visibilityMs: 5_000 }),
  );
  return { ...setup, queue };
}

describe('enqueueing', () => {
  it('merges what one turn sends to one partition into one command', async () => {
    const { clock, cluster, queue } = await withQueue();
    await result(clock, queue.enqueue('warm'));
    cluster.writes.length = 0;
    const all = Array.from({ length: 60 }, (_, i) => queue.enqueue(`m${i}`));
    const results = await result(clock, Promise.all(all));
    const commands = cluster.seen(Op.QueueEnqueue);
    expect(commands).toHaveLength(6);
    expect(commands.map(({ command }) => (command[7] as unknown[]).length)).toEqual([10, 10, 10, 10, 10, 10]);
    expect(new Set(results.map(({ partition, id }) => `${partition}/${id}`)).size).toBe(60);
  });

  it('keeps messages of one key in one partition and in order', async () => {
    const { clock, queue } = await withQueue();
    const results = await result(
      clock,
      Promise.all(Array.from({ length: 20 }, (_, i) => queue.enqueue(`m${i}`, { key: 'customer-7' }))),
    );
    expect(new Set(results.map(({ partition }) => partition)).size).toBe(1);
    expect(results.map(({ id }) => id)).toEqual([...results.map(({ id }) => id)].sort((a, b) => a - b));
  });

  it('cuts a batch where it would be too many or too large', async () => {
    const { clock, cluster, queue } = await withQueue(1);
    await result(clock, queue.enqueue('warm'));
    cluster.writes.length = 0;
    await result(clock, queue.enqueueMany(Array.from({ length: 600 }, (_, i) => `m${i}`)));
    expect(cluster.seen(Op.QueueEnqueue).map(({ command }) => (command[7] as unknown[]).length)).toEqual([
      256, 256, 88,
    ]);
    cluster.writes.length = 0;
    await result(clock, queue.enqueueMany(Array.from({ length: 6 }, () => Buffer.alloc(400_000))));
    expect(cluster.seen(Op.QueueEnqueue)).toHaveLength(3);
  });

  it('refuses one bad message without touching its neighbours', async () => {
    const { clock, queue } = await withQueue(1);
    const good = [watch(queue.enqueue('a')), watch(queue.enqueue('b'))];
    const bad = [
      watch(queue.enqueue(Buffer.alloc(1024 * 1024 + 1))),
      watch(queue.enqueue('x', { delayMs: -1 })),
      watch(queue.enqueue(5 as never)),
      watch(queue.enqueue('x', { key: 5 as never })),
    ];
    await clock.advance(100);
    expect(good.map(({ outcome }) => outcome.status)).toEqual(['resolved', 'resolved']);
    expect(bad.map(({ outcome }) => outcome)).toMatchObject([
      { error: { code: 'TOO_LARGE' } },
      { error: { code: 'INVALID_ARGUMENT' } },
      { error: { code: 'INVALID_ARGUMENT' } },
      { error: { code: 'INVALID_ARGUMENT' } },
    ]);
  });

  it('into a queue that does not exist rejects with NOT_FOUND', async () => {
    const { clock, client } = await setUp();
    const sent = watch(client.queue('nowhere').enqueue('m'));
    await clock.advance(100);
    expect(sent.outcome).toMatchObject({ status: 'rejected', error: { code: 'NOT_FOUND' } });
  });

  it('waits with all its receivers for a queue that its groups do not have yet', async () => {
    const { clock, cluster, client } = await setUp();
    cluster.configuring = false;
    const queue = await result(clock, client.queues.declare('q'));
    const received = [0, 1, 2].map(() => watch(queue.receive({ waitMs: 10 })));
    await clock.advance(500);
    expect(received.map(({ outcome }) => outcome.status)).toEqual(['pending', 'pending', 'pending']);
    cluster.configure();
    await clock.advance(1_500);
    expect(received.map(({ outcome }) => outcome.status)).toEqual(['resolved', 'resolved', 'resolved']);
  });

  it('waits for a queue that was declared but has not reached its groups', async () => {
    const { clock, cluster, client } = await setUp();
    cluster.configuring = false;
    const queue = await result(clock, client.queues.declare('q'));
    const sent = watch(queue.enqueueMany(['a', 'b', 'c', 'd']));
    const received = watch(queue.receive({ max: 10, waitMs: 3_000 }));
    await clock.advance(500);
    expect(sent.outcome.status).toBe('pending');
    expect(received.outcome.status).toBe('pending');
    cluster.configure();
    await clock.advance(1_500);
    expect(sent.outcome.status).toBe('resolved');
    expect(received.outcome).toMatchObject({ status: 'resolved' });
  });

  it('finds a queue that was deleted and declared anew with fewer partitions', async () => {
    const { clock, client, another, queue } = await withQueue(6);
    await result(clock, queue.enqueueMany(['a', 'b', 'c', 'd', 'e', 'f']));
    const other = await another();
    await result(clock, other.queues.delete('q'));
    await result(clock, other.queues.declare('q', { partitions: 2, visibilityMs: 5_000 }));
    const results = await result(
      clock,
      Promise.all(Array.from({ length: 6 }, (_, i) => queue.enqueue(`n${i}`))),
    );
    expect(results.every(({ partition }) => partition < 2)).toBe(true);
    expect(client.queue('q')).toBe(queue);
  });

  it('goes where the others of its key go, also once the queue has other partitions', async () => {
    const { clock, client, another } = await setUp();
    const other = await another();
    await result(clock, client.queues.declare('q', { partitions: 3 }));
    // To the last of three partitions, and to the last of two.
    const key = Array.from({ length: 100 }, (_, i) => `key-${i}`).find((one) => hashString(one) % 6 === 5)!;
    expect(await result(clock, client.queue('q').enqueue('a', { key }))).toMatchObject({ partition: 2 });
    await result(clock, other.queues.delete('q'));
    await result(clock, other.queues.declare('q', { partitions: 2 }));
    expect(await result(clock, other.queue('q').enqueue('b', { key }))).toMatchObject({ partition: 1 });
    expect(await result(clock, client.queue('q').enqueue('c', { key }))).toMatchObject({ partition: 1 });
  });

  // Whoever declares it anew would take what was sent meanwhile away.
  it.each([true, false])(
    'asks another cluster for the queue before sending (noticed: %s)',
    async (noticed) => {
      const { clock, cluster, client, queue } = await withQueue();
      await result(clock, queue.enqueue('a'));
      // The survivor of a recovery never heard of the declaration; its data groups did.
      cluster.configuring = false;
      cluster.apply(0, [Op.QueueDelete, 1, 0, 0, 0, 'q'] as unknown as Command);
      cluster.clusterId = 'recovered';
      cluster.cut();
      await clock.advance(0);
      if (noticed) await result(clock, client.cache.put('noticed', 'v'));
      await expect(result(clock, queue.enqueue('b'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(result(clock, queue.receive())).rejects.toMatchObject({ code: 'NOT_FOUND' });
      cluster.configuring = true;
      await result(clock, client.queues.declare('q', { partitions: 6, visibilityMs: 5_000 }));
      await result(clock, queue.enqueue('c'));
    },
  );

  it.each(['another cluster answers', 'the queue has not reached its groups'])(
    'keeps the order of a key when it has to be sent again: %s',
    async (why) => {
      const { clock, cluster, client, queue } = await withQueue();
      await result(clock, queue.enqueue('a'));
      let sender = queue;
      if (why === 'another cluster answers') {
        cluster.clusterId = 'recovered';
        cluster.cut();
        await clock.advance(0);
      } else {
        cluster.configuring = false;
        sender = await result(clock, client.queues.declare('late'));
      }
      const sent = [];
      for (let i = 0; i < 20; i++) {
        sent.push(sender.enqueue(`${i}`, { key: 'k' }));
        if (i % 5 === 4) await clock.advance(20);
      }
      cluster.configuring = true;
      cluster.configure();
      const ids = (await result(clock, Promise.all(sent))).map(({ id }) => id);
      expect(ids).toEqual([...ids].sort((x, y) => x - y));
    },
  );

  it('keeps the order of a key with what is sent at the very moment when sending again begins', async () => {
    const { clock, cluster, client } = await setUp();
    cluster.configuring = false;
    const queue = await result(clock, client.queues.declare('late'));
    const sent = [queue.enqueue('first', { key: 'k' })];
    await clock.advance(0);
    cluster.configure();
    cluster.onRead = (_group, query) => {
      // One message at each step that follows the answer.
      const send = (left: number): void => {
        sent.push(queue.enqueue(`${left}`, { key: 'k' }));
        if (left > 0) void Promise.resolve().then(() => send(left - 1));
      };
      if (query[0] === QueryOp.ClusterInspect) void client.queues.refresh().then(() => send(20));
      return 'normal';
    };
    await clock.advance(100);
    expect(sent.length).toBeGreaterThan(20);
    const ids = (await result(clock, Promise.all(sent))).map(({ id }) => id);
    expect(ids).toEqual([...ids].sort((x, y) => x - y));
  });

  it('that the caller aborted settles only for that caller', async () => {
    const { clock, cluster, queue } = await withQueue(1);
    await result(clock, queue.enqueue('warm'));
    const mute = new Set(['mute']);
    cluster.onWrite = () => (mute.delete('mute') ? 'mute' : 'normal');
    const abort = new AbortController();
    const one = watch(queue.enqueue('a', { signal: abort.signal }));
    const two = watch(queue.enqueue('b'));
    await clock.advance(10);
    abort.abort();
    await clock.advance(10);
    expect(one.outcome).toMatchObject({ status: 'rejected', error: { code: 'CANCELLED' } });
    expect(two.outcome.status).toBe('pending');
    cluster.cut();
    await clock.advance(500);
    expect(two.outcome.status).toBe('resolved');
    const gone = watch(queue.enqueue('c', { signal: abort.signal }));
    await clock.advance(10);
    expect(gone.outcome).toMatchObject({ error: { code: 'CANCELLED' } });
  });
});

describe('receiving', () => {
  it('gives every message of all groups once, and settles acks of one turn together', async () => {
    const { clock, cluster, queue } = await withQueue();
    await result(clock, queue.enqueueMany(Array.from({ length: 30 }, (_, i) => `m${i}`)));
    const got: string[] = [];
    for (;;) {
      const messages = await result(clock, queue.receive({ max: 10 }));
      if (messages.length === 0) break;
      got.push(...messages.map((message) => message.text()));
      cluster.writes.length = 0;
      await result(clock, Promise.all(messages.map((message) => message.ack())));
      expect(cluster.seen(Op.QueueAck)).toHaveLength(1);
    }
    expect(got.sort()).toEqual(Array.from({ length: 30 }, (_, i) => `m${i}`).sort());
    const depths = await result(clock, queue.inspect());
    expect(depths.every(({ ready, inFlight }) => ready + inFlight === 0)).toBe(true);
  });

  it('waits with long polls, and logs nothing while the queue is empty', async () => {
    const { clock, cluster, queue } = await withQueue();
    expect(await result(clock, queue.receive())).toEqual([]);
    cluster.writes.length = 0;
    const received = watch(queue.receive({ waitMs: 50_000 }));
    await clock.advance(40_000);
    expect(received.outcome.status).toBe('pending');
    expect(cluster.seen(Op.QueueDequeue)).toEqual([]);
    await result(clock, queue.enqueue('late'));
    await clock.advance(10);
    expect(received.outcome).toMatchObject({ status: 'resolved', value: [{ delivery: 1 }] });
  });

  it('comes back empty at the end of its wait', async () => {
    const { clock, queue } = await withQueue();
    const received = watch(queue.receive({ waitMs: 1_000 }));
    await clock.advance(990);
    expect(received.outcome.status).toBe('pending');
    await clock.advance(60);
    expect(received.outcome).toEqual({ status: 'resolved', value: [] });
  });

  it('keeps waiting through a change of leaders', async () => {
    const { clock, cluster, queue } = await withQueue();
    const received = watch(queue.receive({ waitMs: 20_000 }));
    await clock.advance(1_000);
    for (const group of [1, 2, 3]) cluster.lead(group, 103);
    await clock.advance(1_000);
    expect(received.outcome.status).toBe('pending');
    await result(clock, queue.enqueue('m'));
    await clock.advance(100);
    expect(received.outcome.status).toBe('resolved');
  });

  it('that is aborted after it was sent gives back what it took', async () => {
    const { clock, cluster, queue } = await withQueue(1);
    await result(clock, queue.enqueue('m'));
    cluster.onWrite = ({ command }) => (command[0] === Op.QueueDequeue ? 'mute' : 'normal');
    const abort = new AbortController();
    const received = watch(queue.receive({ signal: abort.signal }));
    await clock.advance(20);
    abort.abort();
    await clock.advance(0);
    expect(received.outcome).toMatchObject({ status: 'rejected', error: { code: 'CANCELLED' } });
    cluster.onWrite = () => 'normal';
    cluster.cut();
    await clock.advance(500);
    const [again] = await result(clock, queue.receive());
    expect(again).toMatchObject({ delivery: 2 });
  });

  it('refuses a stale receipt and leaves its neighbours alone', async () => {
    const { clock, cluster, queue } = await withQueue(1);
    await result(clock, queue.enqueueMany(['a', 'b']));
    const [a, b] = await result(clock, queue.receive({ max: 2 }));
    await result(clock, b!.extend(60_000));
    await clock.advance(6_000);
    for (const group of [1, 2, 3]) cluster.expire(group);
    const [again] = await result(clock, queue.receive({ waitMs: 100 }));
    expect(again).toMatchObject({ id: a!.id, delivery: 2 });
    const acks = [watch(a!.ack()), watch(b!.ack()), watch(again!.ack())];
    await clock.advance(50);
    expect(acks.map(({ outcome }) => outcome)).toMatchObject([
      { status: 'rejected', error: { code: 'STALE_RECEIPT' } },
      { status: 'resolved' },
      { status: 'resolved' },
    ]);
  });

  it('delivers a message again after a nack', async () => {
    const { clock, queue } = await withQueue(1);
    await result(clock, queue.enqueue('m'));
    const [first] = await result(clock, queue.receive());
    await result(clock, first!.nack());
    const [second] = await result(clock, queue.receive({ waitMs: 100 }));
    expect(second).toMatchObject({ delivery: 2 });
  });

  it('polls only groups that hold partitions', async () => {
    const { clock, cluster, queue } = await withQueue(1);
    const polled = new Set<number>();
    cluster.onRead = (group, query) => {
      if (query[0] === QueryOp.QueueWait) polled.add(group);
      return 'normal';
    };
    await result(clock, queue.receive({ waitMs: 100 }));
    expect(polled.size).toBe(1);
  });
});
