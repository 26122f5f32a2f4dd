import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { CONFIG_MAPS, JOBS, type Job, PODS, ROLE_BINDINGS, ROLES, SERVICE_ACCOUNTS } from '../api/kinds.ts';
import { SYNC_BENCHMARKS } from '../api/syncBenchmark.ts';
import { SYNC_CLUSTERS } from '../api/syncCluster.ts';
import { benchmarkLabels, memberLabels } from '../desired/names.ts';
import type { Logger } from '../runtime/logger.ts';
import { FakeKube } from '../testing/fakeKube.ts';
import { syncCluster } from '../testing/fakeWorld.ts';
import { createBenchmarkReconciler } from './reconciler.ts';
import { readResults } from './results.ts';

const silent: Logger = { info() {}, warn() {}, error() {}, child: () => silent };
const KEY = { namespace: 'test', name: 'b' };
const JOB = { namespace: 'test', name: 'b-bench' };
const RESULTS = { namespace: 'test', name: 'b-results' };

const measurement = (operation: string, mean: number) => ({
  operation,
  throughputPerS: { mean, stdev: 1 },
  latencyNs: { p50: { mean: 1_500_000 }, p99: { mean: 9_000_000 } },
});
const results = (outcome = 'succeeded', failures: string[] = []) =>
  JSON.stringify({
    outcome,
    failures,
    measurements: [
      measurement('lock.uncontended', 12_345),
      measurement('lock.uncontended', 999),
      measurement('cache.get', 150_000),
    ],
  });

class Bench {
  readonly kube = new FakeKube();
  nowMs = Date.parse('2030-01-01T00:00:00.000Z');
  readonly pass = () =>
    createBenchmarkReconciler({ kube: this.kube, logger: silent, now: () => new Date(this.nowMs) })(KEY);

  constructor(spec: object = {}) {
    this.kube.put({
      apiVersion: 'synccluster.io/v1alpha1',
      kind: 'SyncBenchmark',
      metadata: KEY,
      spec: { clusterRef: { name: 'db' }, ...spec },
    });
  }
  /** Of three members, so many of them ready. */
  cluster(available: 'True' | 'False', ready = 3, progressing = 'False'): this {
    const conditions = [
      { type: 'Available', status: available, reason: 'x', message: 'no leader' },
      {
        type: 'Progressing',
        status: progressing,
        reason: 'x',
        message: 'promoting',
        observedGeneration: 1000,
      },
    ];
    this.kube.put({ ...syncCluster(), status: { readyReplicas: ready, conditions } } as never);
    for (const ordinal of [0, 1, 2]) {
      this.kube.put({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: `db-${ordinal}`, namespace: 'test', labels: memberLabels('db') },
        spec: { containers: [] },
        status: {
          podIP: `10.0.0.${ordinal}`,
          conditions: [{ type: 'Ready', status: ordinal < ready ? 'True' : 'False' }],
        },
      } as never);
    }
    return this;
  }
  get status() {
    return this.kube.peek(SYNC_BENCHMARKS, KEY)?.status;
  }
  get complete() {
    const found = this.status?.conditions?.find(({ type }) => type === 'Complete');
    return `${found?.status} ${found?.reason}`;
  }
  get job(): Job | null {
    return this.kube.peek(JOBS, JOB);
  }
  endJob(type: 'Complete' | 'Failed', message = ''): void {
    const { job } = this;
    if (job === null) throw new Error('no Job');
    this.kube.put({ ...job, status: { conditions: [{ type, status: 'True', message }] } });
  }
  write(text: string): void {
    const map = this.kube.peek(CONFIG_MAPS, RESULTS);
    if (map === null) throw new Error('no results ConfigMap to write to');
    this.kube.put({ ...map, data: { 'results.json': text } } as never);
  }
}

describe('a SyncBenchmark', () => {
  it('says which cluster is missing, and starts when there is one', async () => {
    const bench = new Bench();
    await bench.pass();
    expect(bench.complete).toBe('False ClusterNotFound');
    expect(bench.status?.conditions?.[0]?.message).toContain('no SyncCluster db in namespace test');
    bench.cluster('False');
    await bench.pass();
    expect(bench.complete).toBe('False ClusterNotAvailable');
    expect(bench.job).toBeNull();
    bench.cluster('True');
    await bench.pass();
    expect(bench.job?.spec.template.spec.containers[0]?.args).toContain(
      '10.0.0.0:7400,10.0.0.1:7400,10.0.0.2:7400',
    );
  });

  it('waits until the cluster is settled, with all its members, and says why', async () => {
    const bench = new Bench();
    const message = () => bench.status?.conditions?.[0]?.message;
    bench.cluster('True', 3, 'True');
    await bench.pass();
    expect(bench.complete).toBe('False ClusterNotSettled');
    expect(message()).toContain('promoting');
    bench.cluster('True', 2);
    await bench.pass();
    expect(bench.complete).toBe('False ClusterNotSettled');
    expect(message()).toContain('2 of 3 members ready');
    expect(bench.job).toBeNull();
    bench.cluster('True');
    await bench.pass();
    const args = bench.job?.spec.template.spec.containers[0]?.args ?? [];
    expect(args[args.indexOf('--cluster-members') + 1]).toBe('3');
  });

  it('says what the pod of a failed Job said last', async () => {
    const bench = new Bench().cluster('True');
    await bench.pass();
    await bench.pass();
    const terminated = { exitCode: 1, message: '{"event":"begin"}\nsynccluster-bench: no member answers\n' };
    bench.kube.put({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'b-bench-x', namespace: 'test', labels: benchmarkLabels('b') },
      spec: { containers: [] },
      status: {
        containerStatuses: [{ name: 'bench', ready: false, restartCount: 0, state: { terminated } }],
      },
    } as never);
    bench.endJob('Failed', '1 pods failed');
    await bench.pass();
    expect(bench.complete).toBe('True Failed');
    expect(bench.status?.conditions?.[0]?.message).toBe(
      'the Job failed without results: synccluster-bench: no member answers',
    );
  });

  it('creates what the Job needs before the Job, and one Job only', async () => {
    const bench = new Bench().cluster('True');
    await bench.pass();
    for (const [resource, name] of [
      [SERVICE_ACCOUNTS, 'b-bench'],
      [ROLES, 'b-bench'],
      [ROLE_BINDINGS, 'b-bench'],
      [CONFIG_MAPS, 'b-results'],
    ] as const) {
      expect(await bench.kube.get(resource, { namespace: 'test', name })).not.toBeNull();
    }
    const uid = bench.job?.metadata.uid;
    await bench.pass();
    await bench.pass();
    expect(bench.complete).toBe('False Running');
    expect(bench.job?.metadata.uid).toBe(uid);
    expect(bench.kube.all(PODS)).toHaveLength(3);
  });

  it('starts the Job when the operator died just before it', async () => {
    const bench = new Bench().cluster('True');
    bench.kube.onWrite = (verb, kind) => {
      if (verb === 'create' && kind === 'Job') throw new Error('died');
    };
    await expect(bench.pass()).rejects.toThrow('died');
    bench.kube.onWrite = () => {};
    await bench.pass();
    expect(bench.job).not.toBeNull();
  });

  it('shows the headline figures and stays finished', async () => {
    const bench = new Bench().cluster('True');
    await bench.pass();
    await bench.pass();
    bench.write(results());
    bench.endJob('Complete');
    await bench.pass();
    expect(bench.complete).toBe('True Succeeded');
    expect(bench.status).toMatchObject({
      headline: 'lock 12.3k · cache 150k',
      resultsConfigMap: 'b-results',
      results: [
        {
          operation: 'lock.uncontended',
          operationsPerSecond: 12_345,
          p50Microseconds: 1500,
          p99Microseconds: 9000,
        },
        { operation: 'cache.get', operationsPerSecond: 150_000 },
      ],
    });
    bench.kube.remove(SYNC_CLUSTERS, { namespace: 'test', name: 'db' });
    bench.kube.remove(JOBS, JOB);
    await bench.pass();
    expect(bench.complete).toBe('True Succeeded');
    expect(bench.job).toBeNull();
  });

  it.each([
    ['the Job fails', null, 'Failed' as const, 'out of memory'],
    ['the Job leaves nothing', null, 'Complete' as const, 'left no results'],
    [
      'what was measured broke a guarantee',
      results('failed', ['two holders']),
      'Complete' as const,
      'two holders',
    ],
    ['the results are not JSON', 'garbage', 'Complete' as const, 'cannot be read'],
    ['the results have another schema', '{"outcome":"succeeded"}', 'Complete' as const, 'cannot be read'],
  ])('has failed when %s', async (_what, text, end, message) => {
    const bench = new Bench().cluster('True');
    await bench.pass();
    await bench.pass();
    if (text !== null) bench.write(text);
    bench.endJob(end, 'out of memory');
    await bench.pass();
    expect(bench.complete).toBe('True Failed');
    expect(bench.status?.conditions?.[0]?.message).toContain(message);
  });

  it('is aborted when its Job is deleted before it ended', async () => {
    const bench = new Bench().cluster('True');
    await bench.pass();
    await bench.pass();
    bench.kube.remove(JOBS, JOB);
    await bench.pass();
    expect(bench.complete).toBe('True Aborted');
    await bench.pass();
    expect(bench.job).toBeNull();
  });

  it('deletes the Job when its time has passed, and keeps the results', async () => {
    const bench = new Bench({ ttlSecondsAfterFinished: 60 }).cluster('True');
    await bench.pass();
    await bench.pass();
    bench.write(results());
    bench.endJob('Complete');
    expect(await bench.pass()).toBe(60_000);
    bench.nowMs += 59_000;
    expect(await bench.pass()).toBe(1000);
    expect(bench.job).not.toBeNull();
    bench.nowMs += 1000;
    await bench.pass();
    expect(bench.job).toBeNull();
    expect(bench.kube.peek(CONFIG_MAPS, RESULTS)).not.toBeNull();
    expect(bench.complete).toBe('True Succeeded');
  });

  it('takes the results back into its ownership when the load generator replaced the object', async () => {
    const bench = new Bench().cluster('True');
    await bench.pass();
    await bench.pass();
    bench.kube.put({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: RESULTS,
      data: { 'results.json': results() },
    } as never);
    bench.endJob('Complete');
    await bench.pass();
    const map = bench.kube.peek(CONFIG_MAPS, RESULTS);
    expect(map?.metadata.ownerReferences?.[0]).toMatchObject({ kind: 'SyncBenchmark', name: 'b' });
    expect(map?.data?.['results.json']).toBe(results());
  });
});

describe('results', () => {
  it('are read packed too', () => {
    const binaryData = { 'results.json.gz': gzipSync(results()).toString('base64') };
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: RESULTS, binaryData };
    expect(readResults(map)).toMatchObject({ outcome: 'succeeded' });
    expect(readResults({ ...map, binaryData: { 'results.json.gz': 'AAAA' } })).toHaveProperty('unreadable');
  });
  it('are not there yet when the ConfigMap is empty', () => {
    expect(readResults({ apiVersion: 'v1', kind: 'ConfigMap', metadata: RESULTS })).toBeNull();
    expect(readResults(null)).toBeNull();
  });
});
