import { describe, expect, it } from 'vitest';
import { CONFIG_MAPS, type ConfigMap } from '../api/kinds.ts';
import { FakeKube } from '../testing/fakeKube.ts';
import { settle, VirtualClock } from '../testing/virtualClock.ts';
import { CachedReader } from './cachedReader.ts';
import { Informer } from './informer.ts';
import { type Key, KubeError, type KubePort, type List, type Resource, type WatchEvent } from './kube.ts';
import type { Logger } from './logger.ts';

const silent: Logger = { info() {}, warn() {}, error() {}, child: () => silent };
const map = (name: string, value = ''): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'test', labels: { app: 'x' } },
  data: { value },
});

/** A server whose watches can be cut, and whose answers can be errors. */
class Flaky {
  readonly real = new FakeKube();
  lists = 0;
  watches = 0;
  failList: KubeError | null = null;
  holdList: Promise<void> | null = null;
  failWatch: KubeError | null = null;
  #cuts = new Set<AbortController>();
  readonly port = {
    get: (resource: Resource<ConfigMap>, key: Key) => this.real.get(resource, key),
    list: async (resource: Resource<ConfigMap>): Promise<List<ConfigMap>> => {
      this.lists++;
      await this.holdList;
      if (this.failList !== null) throw this.failList;
      return await this.real.list(resource);
    },
    watch: (resource: Resource<ConfigMap>, selector: object, from: string, signal: AbortSignal) =>
      this.#watch(resource, selector, from, signal),
  } as unknown as KubePort;
  async *#watch(
    resource: Resource<ConfigMap>,
    selector: object,
    from: string,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<ConfigMap>> {
    this.watches++;
    if (this.failWatch !== null) throw this.failWatch;
    const cut = new AbortController();
    this.#cuts.add(cut);
    yield* this.real.watch(resource, selector, from, AbortSignal.any([cut.signal, signal]));
  }
  cut(): void {
    for (const controller of this.#cuts) controller.abort();
    this.#cuts.clear();
  }
}

function setup() {
  const server = new Flaky();
  const clock = new VirtualClock();
  const seen: string[] = [];
  const start = (random = () => 0) =>
    new Informer<ConfigMap>({
      kube: server.port,
      resource: CONFIG_MAPS,
      selector: {},
      clock,
      logger: silent,
      relistMs: 60_000,
      random,
      onChange: (object, gone) => seen.push(`${gone ? '-' : '+'}${object.metadata.name}`),
    });
  return { server, clock, seen, start };
}

describe('the informer', () => {
  it('mirrors what is there and what changes', async () => {
    const { server, seen, start } = setup();
    server.real.put(map('a'));
    const informer = start();
    await informer.whenSynced();
    await settle();
    server.real.put(map('b'));
    server.real.remove(CONFIG_MAPS, { namespace: 'test', name: 'a' });
    await settle();
    expect(seen).toEqual(['+a', '+b', '-a']);
    expect(informer.list().map((object) => object.metadata.name)).toEqual(['b']);
    await informer.stop();
  });

  it('goes on where it was when a watch ends without a word', async () => {
    const { server, clock, start } = setup();
    const informer = start();
    await settle();
    for (let i = 0; i < 3; i++) {
      server.cut();
      await clock.advance(2000);
    }
    server.real.put(map('late'));
    await settle();
    expect(informer.get({ namespace: 'test', name: 'late' })).not.toBeNull();
    expect(server.lists).toBe(1);
    await informer.stop();
  });

  it('lists anew when its place is too long ago, and tells what went meanwhile', async () => {
    const { server, clock, seen, start } = setup();
    server.real.put(map('a'));
    const informer = start();
    await settle();
    server.failWatch = new KubeError('Gone', 'too old');
    server.cut();
    server.real.remove(CONFIG_MAPS, { namespace: 'test', name: 'a' });
    await settle();
    server.failWatch = null;
    await clock.advance(5000);
    expect(seen.at(-1)).toBe('-a');
    expect(informer.list()).toEqual([]);
    await informer.stop();
  });

  it('lists anew from time to time, so that a silent watch hides nothing for ever', async () => {
    const { server, clock, start } = setup();
    const informer = start();
    await settle();
    await clock.advance(200_000);
    expect(server.lists).toBe(4);
    await informer.stop();
  });

  it('lists anew at a moment of its own, never later than it is told to', async () => {
    const { server, clock, start } = setup();
    const listedAt = async (chance: number) => {
      const informer = start(() => chance);
      await settle();
      const before = server.lists;
      const beganMs = clock.now();
      while (server.lists === before) await clock.advance(clock.untilNextMs ?? Number.NaN);
      await informer.stop();
      return clock.now() - beganMs;
    };
    expect(await listedAt(0)).toBe(60_000);
    expect(await listedAt(0.5)).toBe(50_000);
    expect(await listedAt(0.999_999)).toBeGreaterThanOrEqual(40_000);
  });

  it('draws that moment anew for every list', async () => {
    const { server, clock, start } = setup();
    let chance = 0;
    const informer = start(() => chance);
    await settle();
    chance = 0.5;
    await clock.advance(60_000);
    expect(server.lists).toBe(2);
    await clock.advance(50_000);
    expect(server.lists).toBe(3);
    await informer.stop();
  });

  it('does not take a quiet kind for a server that is away', async () => {
    const { server, clock, start } = setup();
    const informer = start();
    await settle();
    for (let relist = 1; relist <= 20; relist++) {
      await clock.advance(60_000);
      expect([server.lists, server.watches]).toEqual([1 + relist, 1 + relist]);
    }
    await informer.stop();
  });

  it('backs off while the server is away, and comes back', async () => {
    const { server, clock, start } = setup();
    server.failList = new KubeError('Unavailable', 'down');
    const informer = start();
    await clock.advance(60_000);
    expect(informer.synced).toBe(false);
    expect(server.lists).toBeGreaterThan(5);
    expect(server.lists).toBeLessThan(15);
    server.failList = null;
    await clock.advance(30_000);
    expect(informer.synced).toBe(true);
    await informer.stop();
  });

  it('stops while it lists, without watching what it has listed', async () => {
    const { server, clock, start } = setup();
    let answer: () => void = () => {};
    server.holdList = new Promise((resolve) => {
      answer = resolve;
    });
    const informer = start();
    await settle();
    const stopped = informer.stop();
    answer();
    await stopped;
    expect(server.watches).toBe(0);
    expect(clock.untilNextMs).toBeNull();
  });

  it('stops while it waits, leaving no timer', async () => {
    const { server, clock, start } = setup();
    server.failList = new KubeError('Unavailable', 'down');
    const informer = start();
    await clock.advance(1000);
    await informer.stop();
    expect(clock.untilNextMs).toBeNull();
  });
});

describe('the cached reader', () => {
  it('asks the server until the mirror is complete, and the mirror from then on', async () => {
    const { server, start } = setup();
    server.real.put(map('a', '1'));
    const informer = start();
    const reader = new CachedReader(server.port, [informer as never]);
    expect((await reader.get(CONFIG_MAPS, { namespace: 'test', name: 'a' }))?.data).toEqual({ value: '1' });
    await informer.whenSynced();
    await settle();
    const before = server.lists;
    const listed = await reader.list(CONFIG_MAPS, { namespace: 'test', labels: { app: 'x' } });
    expect(listed.items).toHaveLength(1);
    expect((await reader.list(CONFIG_MAPS, { labels: { app: 'y' } })).items).toHaveLength(0);
    expect(server.lists).toBe(before);
    await informer.stop();
  });
});
