import { describe, expect, it } from 'vitest';
import { JOBS, SERVICES } from '../api/kinds.ts';
import { SYNC_BENCHMARKS, type SyncBenchmark } from '../api/syncBenchmark.ts';
import { API_VERSION, SYNC_CLUSTERS } from '../api/syncCluster.ts';
import { LABELS } from '../desired/names.ts';
import { FakeWorld } from '../testing/fakeWorld.ts';
import type { Logger } from './logger.ts';
import { startOperator } from './operator.ts';

const silent: Logger = { info() {}, warn() {}, error() {}, child: () => silent };

async function until(world: FakeWorld, done: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!done()) {
    if (Date.now() > deadline)
      throw new Error(`not reached: ${JSON.stringify(world.cluster.status?.conditions)}`);
    world.step();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe('the operator', () => {
  it('brings a cluster up, follows its edits by watching, tells its metrics, and stops', async () => {
    const world = new FakeWorld();
    const operator = await startOperator({
      kube: world.kube,
      namespaces: ['test'],
      logger: silent,
      memberClient: world.client,
      health: { host: '127.0.0.1', port: 0 },
      progressingMs: 5,
      settledMs: 20,
    });
    try {
      world.createCluster({ members: 3 });
      await until(world, () => world.cluster.status?.readyReplicas === 3);
      world.edit({ members: 1 });
      await until(world, () => world.replicas === 1 && world.cluster.status?.readyReplicas === 1);
      const base = `http://127.0.0.1:${operator.healthPort}`;
      expect((await fetch(`${base}/livez`)).status).toBe(200);
      expect((await fetch(`${base}/readyz`)).status).toBe(200);
      const metrics = await (await fetch(`${base}/metrics`)).text();
      expect(metrics).toMatch(/synccluster_operator_events_total\{reason="Founded",type="Normal"\} 1/);
      expect(metrics).toMatch(/synccluster_operator_queue_depth\{kind="SyncCluster"\}/);
    } finally {
      await operator.stop();
    }
    const version = world.cluster.metadata.resourceVersion;
    world.edit({ members: 3 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(world.replicas).toBe(1);
    expect(world.cluster.metadata.resourceVersion).not.toBe(version);
  });

  it('leaves a benchmark that has ended alone, whatever becomes of its cluster', async () => {
    const world = new FakeWorld();
    const looks = new Map<string, number>();
    const get = world.kube.get.bind(world.kube);
    world.kube.get = (resource, key) => {
      if (resource.kind === JOBS.kind) looks.set(key.name, (looks.get(key.name) ?? 0) + 1);
      return get(resource, key);
    };
    const benchmark = (name: string, cluster: string, status?: SyncBenchmark['status']) =>
      world.kube.put({
        apiVersion: API_VERSION,
        kind: SYNC_BENCHMARKS.kind,
        metadata: { name, namespace: 'test' },
        spec: { clusterRef: { name: cluster } },
        ...(status === undefined ? {} : { status }),
      });
    const ended = {
      type: 'Complete',
      status: 'True',
      reason: 'Succeeded',
      message: 'measured',
      observedGeneration: 1,
      lastTransitionTime: '2030-01-01T00:00:00Z',
    } as const;
    benchmark('ended', 'db', { startTime: '2030-01-01T00:00:00Z', conditions: [ended] });
    world.createCluster({ members: 3 });
    const operator = await startOperator({
      kube: world.kube,
      namespaces: ['test'],
      logger: silent,
      memberClient: world.client,
      health: null,
      progressingMs: 400,
      settledMs: 5,
    });
    try {
      await until(world, () => world.cluster.status?.readyReplicas === 3);
      await until(world, () => looks.has('ended-bench'));
    } finally {
      await operator.stop();
    }
    // Its own arrival, and its own status.
    expect(looks.get('ended-bench')).toBeLessThanOrEqual(2);
  });

  it('looks at nothing before it has listed what it is to look after', async () => {
    const world = new FakeWorld();
    const asked: string[] = [];
    const get = world.kube.get.bind(world.kube);
    world.kube.get = (resource, key) => {
      asked.push(resource.kind);
      return get(resource, key);
    };
    let answer: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const list = world.kube.list.bind(world.kube);
    const late = [SYNC_CLUSTERS.kind, SYNC_BENCHMARKS.kind, SERVICES.kind];
    let others = 0;
    world.kube.list = async (resource, selector) => {
      if (late.includes(resource.kind)) await held;
      else others++;
      return await list(resource, selector);
    };
    world.createCluster({ members: 3 });
    world.kube.put({
      apiVersion: JOBS.apiVersion,
      kind: JOBS.kind,
      metadata: {
        name: 'light-bench',
        namespace: 'test',
        labels: { [LABELS.partOf]: 'synccluster' },
        ownerReferences: [
          {
            apiVersion: API_VERSION,
            kind: SYNC_BENCHMARKS.kind,
            name: 'light',
            uid: 'uid',
            controller: true,
          },
        ],
      },
    });
    world.kube.put({
      apiVersion: API_VERSION,
      kind: SYNC_BENCHMARKS.kind,
      metadata: { name: 'light', namespace: 'test' },
      spec: { clusterRef: { name: world.cluster.metadata.name } },
    });
    const operator = await startOperator({
      kube: world.kube,
      namespaces: ['test'],
      logger: silent,
      memberClient: world.client,
      health: null,
      progressingMs: 5,
      settledMs: 5,
    });
    try {
      await until(world, () => others >= 7);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(asked).toEqual([]);
      answer();
      await until(world, () => world.cluster.status?.readyReplicas === 3);
      for (const kind of late) expect(asked).not.toContain(kind);
    } finally {
      answer();
      await operator.stop();
    }
  });

  it('leaves nothing running when its health port is taken', async () => {
    const world = new FakeWorld();
    const common = { kube: world.kube, namespaces: [], logger: silent, memberClient: world.client };
    const first = await startOperator({ ...common, health: { host: '127.0.0.1', port: 0 } });
    const port = first.healthPort ?? 0;
    await expect(startOperator({ ...common, health: { host: '127.0.0.1', port } })).rejects.toThrow(
      /EADDRINUSE/,
    );
    await first.stop();
  });
});
