import { describe, expect, it } from 'vitest';
import { Client, connect } from './client.ts';
import { QueryOp } from './protocol/commands.ts';
import { FakeCluster } from './testing/fakeCluster.ts';
import { keyIn, result, setUp } from './testing/setup.ts';
import { VirtualClock, watch } from './testing/virtualClock.ts';
import type { LinkHandlers, Transport } from './transport.ts';

describe('routing', () => {
  it('sends to the leader, over one connection per member', async () => {
    const { clock, cluster, client } = await setUp();
    for (let round = 0; round < 5; round++) {
      for (const group of [1, 2, 3]) await result(clock, client.cache.put(keyIn(group), 'v'));
    }
    const late = cluster.writes.slice(-3);
    expect(late.map(({ member }) => member)).toEqual(late.map(({ group }) => cluster.leaders[group]));
    expect(cluster.openLinks).toBe(3);
    expect(cluster.dials.length).toBeLessThanOrEqual(4);
  });

  it('gets through one address when no other can be reached', async () => {
    const clock = new VirtualClock();
    const cluster = new FakeCluster(clock);
    cluster.behindBalancer = 102;
    const client = await result(clock, connect({ endpoints: ['balancer:7400'], transport: cluster, clock }));
    for (const group of [1, 2, 3]) await result(clock, client.cache.put(keyIn(group), `v${group}`));
    const lock = await result(clock, client.locks.acquire('l'));
    const waiting = watch(client.locks.acquire('l'));
    await result(clock, lock.release());
    await clock.advance(50);
    expect(waiting.outcome.status).toBe('resolved');
    expect(cluster.openLinks).toBe(1);
    const dials = cluster.dials.length;
    await clock.advance(60_000);
    expect(cluster.dials.length - dials).toBeLessThan(40);
  });

  it('finds another member when one dies, and comes back', async () => {
    const { clock, cluster, client } = await setUp();
    const key = keyIn(1);
    await result(clock, client.cache.put(key, 'v'));
    const dead = cluster.leaders[1]!;
    cluster.down.add(dead);
    cluster.cut(dead);
    cluster.lead(1, dead === 103 ? 101 : 103);
    await result(clock, client.cache.put(key, 'w'), 1_000);
    cluster.down.delete(dead);
    cluster.lead(1, dead);
    await clock.advance(5_000);
    await result(clock, client.cache.put(key, 'x'));
    expect(cluster.writes.at(-1)?.member).toBe(dead);
  });

  it('reports that no member answers, with the cause', async () => {
    const clock = new VirtualClock();
    const cluster = new FakeCluster(clock);
    for (const { id } of cluster.members) cluster.down.add(id);
    const connecting = connect({
      endpoints: cluster.endpoints,
      transport: cluster,
      clock,
      requestTimeoutMs: 1_000,
    });
    await expect(result(clock, connecting)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      cause: { message: 'connection refused' },
    });
    expect(clock.timers).toBe(0);
  });

  it('takes nothing from a cluster of another name while its own answers', async () => {
    const { clock, cluster, client, events } = await setUp();
    await result(clock, client.cache.put(keyIn(1), 'v'));
    cluster.clusterId = 'recovered';
    cluster.cut(101);
    await clock.advance(1_000);
    await result(clock, client.cache.put(keyIn(1), 'w'));
    expect(events.some(({ type }) => type === 'clusterChanged')).toBe(false);
    cluster.cut();
    await clock.advance(0);
    await result(clock, client.cache.put(keyIn(1), 'x'));
    expect(events.some(({ type }) => type === 'clusterChanged')).toBe(true);
  });

  it('does not go over to a cluster that nobody leads: one that was left behind has no quorum', async () => {
    const { clock, cluster, client, events } = await setUp();
    const { clusterId, leaders } = cluster;
    const led = [...leaders];
    cluster.clusterId = 'left behind';
    leaders.fill(0);
    cluster.cut();
    const waiting = watch(client.cache.put(keyIn(1), 'u'));
    await clock.advance(1_000);
    expect(waiting.outcome.status).toBe('pending');
    cluster.clusterId = clusterId;
    leaders.splice(0, leaders.length, ...led);
    cluster.cut();
    await clock.advance(0);
    await result(clock, client.cache.put(keyIn(1), 'v'));
    expect(events.some(({ type }) => type === 'clusterChanged')).toBe(false);
  });

  it('never goes back to a cluster that it left, though only a member of that answers', async () => {
    const { clock, cluster, client, events } = await setUp();
    const old = cluster.clusterId;
    cluster.clusterId = 'recovered';
    cluster.cut();
    await clock.advance(0);
    await result(clock, client.cache.put(keyIn(1), 'v'));
    cluster.clusterId = old;
    cluster.cut();
    await clock.advance(0);
    const read = result(clock, client.cache.get(keyIn(1), { level: 'any', timeoutMs: 500 }));
    await expect(read).rejects.toMatchObject({ code: 'TIMEOUT' });
    const changes = events.filter(({ type }) => type === 'clusterChanged');
    expect(changes).toEqual([{ type: 'clusterChanged', clusterId: 'recovered' }]);
  });

  it.each([
    ['no endpoints', { endpoints: [] }],
    ['an endpoint without a port', { endpoints: ['host'] }],
    ['a port that is none', { endpoints: ['host:99999'] }],
    ['a TTL that is too short', { endpoints: ['h:1'], sessionTtlMs: 5 }],
    ['a timeout that is no number', { endpoints: ['h:1'], requestTimeoutMs: Number.NaN }],
  ])('refuses %s', (_what, options) => {
    expect(() => new Client(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('a read', () => {
  it('carries the mark of what this client has seen, and sees its own writes', async () => {
    const { clock, client } = await setUp();
    const key = keyIn(2);
    expect(await result(clock, client.cache.get(key))).toBeNull();
    const version = await result(clock, client.cache.put(key, 'v'));
    const entry = await result(clock, client.cache.get(key, { level: 'session' }));
    expect(entry).toMatchObject({ version });
    expect(Buffer.from(entry!.value).toString()).toBe('v');
    expect(await result(clock, client.cache.delete(key))).toBe(true);
    expect(await result(clock, client.cache.delete(key))).toBe(false);
    expect(await result(clock, client.cache.get(key, { level: 'linearizable' }))).toBeNull();
  });

  it('is repeated through lost connections and missing leaders until its deadline', async () => {
    const { clock, cluster, client } = await setUp();
    const key = keyIn(1);
    await result(clock, client.cache.put(key, 'v'));
    let losses = 2;
    cluster.onRead = (_group, query) =>
      query[0] === QueryOp.CacheGet && losses-- > 0 ? ['UNAVAILABLE'] : 'normal';
    expect(await result(clock, client.cache.get(key))).not.toBeNull();
    cluster.onRead = () => 'lose';
    const lost = watch(client.cache.get(key));
    await clock.advance(100);
    cluster.onRead = () => 'normal';
    cluster.cut();
    await clock.advance(500);
    expect(lost.outcome.status).toBe('resolved');
    cluster.onRead = () => ['UNAVAILABLE'];
    const late = watch(client.cache.get(key, { timeoutMs: 300 }));
    await clock.advance(400);
    expect(late.outcome).toMatchObject({ status: 'rejected', error: { code: 'TIMEOUT' } });
  });

  it('that nobody answers times out and its late answer is ignored', async () => {
    const { clock, cluster, client } = await setUp();
    cluster.onRead = () => 'lose';
    const read = watch(client.cache.get(keyIn(1), { timeoutMs: 200 }));
    await clock.advance(300);
    expect(read.outcome).toMatchObject({ status: 'rejected', error: { code: 'TIMEOUT' } });
    const abort = new AbortController();
    const aborted = watch(client.cache.get(keyIn(1), { signal: abort.signal }));
    await clock.advance(10);
    abort.abort();
    await clock.advance(0);
    expect(aborted.outcome).toMatchObject({ error: { code: 'CANCELLED' } });
  });

  it.each(['', 'x'.repeat(1_025), '\ud800', 'é'.repeat(600)])('refuses a bad key', async (key) => {
    const { client } = await setUp();
    await expect(client.cache.get(key)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(client.cache.put(key, 'v')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

/** A member that says hello properly and then whatever the test wants. */
class RudeTransport implements Transport {
  readonly #cluster: FakeCluster;
  readonly #bytes: Uint8Array;
  readonly #before: boolean;
  dials = 0;
  dropped = 0;
  constructor(cluster: FakeCluster, bytes: Uint8Array, before: boolean) {
    this.#cluster = cluster;
    this.#bytes = bytes;
    this.#before = before;
  }
  dial(address: string, handlers: LinkHandlers) {
    const rude = this.dials++ === 0;
    let done = false;
    const hurt = (): void => {
      if (!rude || done) return;
      done = true;
      handlers.data(this.#bytes.slice());
    };
    const link = this.#cluster.dial(address, {
      ...handlers,
      opened: () => {
        handlers.opened();
        if (this.#before) hurt();
      },
      data: (chunk) => {
        handlers.data(chunk);
        hurt();
      },
    });
    return {
      write: (bytes: Uint8Array) => link.write(bytes),
      destroy: () => {
        this.dropped++;
        link.destroy();
      },
    };
  }
}

describe('a member that sends nonsense', () => {
  const cases: [string, Uint8Array][] = [
    ['a frame of 4 GiB', Buffer.from('ffffffff', 'hex')],
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['random bytes', Buffer.from('00000009c1d2f4a19b00ffee1122', 'hex')],
    ['an empty frame', Buffer.from('00000000', 'hex')],
    ['an unknown kind of reply', Buffer.from('000000029109', 'hex')],
    ['a reply without fields', Buffer.from('000000029101', 'hex')],
    ['nesting without end', Buffer.concat([Buffer.from('00000400', 'hex'), Buffer.alloc(1_024, 0x91)])],
    [
      'an error about the connection',
      Buffer.concat([
        Buffer.from('0000000f', 'hex'),
        Buffer.from('960200a850524f544f434f4ca0', 'hex'),
        Buffer.from('0000', 'hex'),
      ]),
    ],
  ];
  it.each(
    cases.flatMap(([what, bytes]) => [
      [what, 'instead of its hello', bytes, true] as const,
      [what, 'after its hello', bytes, false] as const,
    ]),
  )('%s %s loses that connection and nothing else', async (_what, _when, bytes, before) => {
    const clock = new VirtualClock();
    const cluster = new FakeCluster(clock);
    const transport = new RudeTransport(cluster, bytes, before);
    const client = await result(clock, connect({ endpoints: cluster.endpoints, transport, clock }));
    expect(await result(clock, client.cache.put(keyIn(1), 'v'))).toBeGreaterThan(0);
    expect(transport.dropped).toBeGreaterThanOrEqual(1);
    await result(clock, client.close());
    expect(clock.timers).toBe(0);
  });

  it('half a frame and then nothing is given up after a while', async () => {
    const clock = new VirtualClock();
    const cluster = new FakeCluster(clock);
    const transport = new RudeTransport(cluster, Buffer.from('0000ff00c0', 'hex'), true);
    const client = await result(clock, connect({ endpoints: cluster.endpoints, transport, clock }));
    expect(await result(clock, client.cache.put(keyIn(1), 'v'))).toBeGreaterThan(0);
    await clock.advance(5_000);
    expect(transport.dropped).toBeGreaterThanOrEqual(1);
    await result(clock, client.close());
  });
});
