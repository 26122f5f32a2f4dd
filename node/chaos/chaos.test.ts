import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, connect } from '@synccluster/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '../sim/workload/index.ts';
import { Load } from './load.ts';
import { MEMBER_SOURCES } from './programs.ts';
import { Addresses } from './rig/addresses.ts';
import { Cluster } from './rig/cluster.ts';
import { CUT, PASS, STALL } from './rig/tcpProxy.ts';
import { until } from './rig/waiting.ts';

const WAIT = { timeoutMs: 30_000 };
const START_MS = 30_000;
const never = new AbortController().signal;

let dir = '';
let cluster: Cluster;
let unasked: number[] = [];
const clients: Client[] = [];
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'synccluster-chaos-test-'));
  unasked = [];
  cluster = await Cluster.create({
    addresses: new Addresses(),
    dir,
    volumes: new Map(),
    program: MEMBER_SOURCES,
    chance: () => 0.5,
    onServing: () => {},
    onUnasked: (ordinal) => unasked.push(ordinal),
  });
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close().catch(() => {})));
  await cluster.close();
  rmSync(dir, { recursive: true, force: true });
});

async function client(): Promise<Client> {
  const endpoints = cluster.active.map((ordinal) => cluster.endpoint(ordinal));
  const connected = await connect({ endpoints, requestTimeoutMs: 1_000 });
  clients.push(connected);
  return connected;
}

describe('the chaos runner', () => {
  it('sees what a cluster has lost that lost its volumes and goes on as if nothing had been', {
    timeout: 60_000,
  }, async () => {
    await cluster.found(1, 'one-cluster', START_MS, never);
    const load = new Load(cluster, 1, () => performance.now());
    await load.start();
    const done = (kind: string): number =>
      load.recorder.operations().filter((o) => o.kind === kind && o.outcome === 'ok').length;
    await until('enough to lose', () => done('enqueue') > 20 && done('cachePut') > 20, WAIT);
    await cluster.member(0).kill();
    cluster.wipe(0);
    await cluster.found(1, 'one-cluster', START_MS, never);
    const { queues } = await client();
    for (const { name, partitions, visibilityMs } of DEFAULT_SETTINGS.queues)
      await queues.declare(name, { partitions, visibilityMs });
    const before = done('enqueue');
    await until('work on what is left', () => done('enqueue') > before + 10, WAIT);
    await load.stop(true);
    const found = load.check().join('\n');
    expect(found).toMatch(/queue accounting: broken: .* are lost/);
    expect(unasked).toEqual([]);
  });

  it('cuts members off for real: nothing is acknowledged until they reach each other again', {
    timeout: 60_000,
  }, async () => {
    await cluster.found(3, 'one-cluster', START_MS, never);
    await cluster.settled(WAIT);
    const { cache } = await client();
    await cache.put('k', 'before');
    expect(cluster.hasQuorum).toBe(true);
    for (const traffic of [STALL, CUT]) {
      for (const link of cluster.links) link.set(traffic);
      expect(cluster.hasQuorum).toBe(false);
      const passed = (): number => [...cluster.links].reduce((sum, { passedBytes }) => sum + passedBytes, 0);
      const before = passed();
      await expect(cache.put('k', 'meanwhile')).rejects.toThrow();
      expect(passed()).toBe(before);
      for (const link of cluster.links) link.set(PASS);
      await until('writes again', () => cache.put('k', 'after').then(() => true), WAIT);
    }
    expect(unasked).toEqual([]);
  });

  it('lets clients in by the doors alone, and tells a member that ended by itself from one that was killed', {
    timeout: 60_000,
  }, async () => {
    await cluster.found(1, 'one-cluster', START_MS, never);
    const { cache } = await client();
    await cache.put('k', 'v');
    cluster.door(0, 0).set(CUT);
    await expect(cache.put('k', 'w')).rejects.toThrow();
    cluster.door(0, 0).set(PASS);
    await until('writes again', () => cache.put('k', 'x').then(() => true), WAIT);
    await cluster.member(0).kill();
    expect(unasked).toEqual([]);
    // A skew that no member takes ends it at once.
    cluster.clockSkewsMs[0] = Number.MAX_SAFE_INTEGER;
    cluster.start(0);
    await until('its end', () => unasked.length === 1, WAIT);
    expect(unasked).toEqual([0]);
  });
});
