import { gunzipSync } from 'node:zlib';
import { readResult } from '@synccluster/bench';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defaultOptions } from '../images/build.ts';
import { applyCluster, installOperator, runBenchmark } from '../kind/story.ts';
import { waitUntil } from '../rig/condition.ts';
import { timedReport } from '../rig/progress.ts';
import { readAccess, rigOf } from './access.ts';
import { ClientPod, type RemoteWriter } from './clientPod.ts';
import { crash, restartsOf } from './crash.ts';
import { DEMO, Demo, SETTLE } from './demo.ts';
import {
  type ClusterObject,
  type ConfigMapObject,
  conditionOf,
  isReady,
  type ListedObject,
  Namespace,
  type PodObject,
} from './kubernetes.ts';
import { operatorValues } from './operator.ts';
import { Samples } from './sample.ts';

const NAMESPACE = 'synccluster-e2e';
const SYSTEM = 'synccluster-system';
const BENCHMARK = 'syncbenchmarks.synccluster.io/demo-light';
const OWNED_KINDS = [
  'statefulsets,pods,services,endpointslices,serviceaccounts,configmaps,poddisruptionbudgets',
  'controllerrevisions,jobs,roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io',
].join(',');

const report = timedReport();
const access = readAccess();
const rig = rigOf(access);
const space = new Namespace(access, NAMESPACE);
const samples = new Samples(NAMESPACE);
let client: ClientPod;
let demo: Demo;
let lastToken = 0;

function benchmarkOf(cluster: string, spec: Readonly<Record<string, unknown>>): unknown {
  return {
    apiVersion: 'synccluster.io/v1alpha1',
    kind: 'SyncBenchmark',
    metadata: { name: cluster === 'demo' ? 'refused' : cluster },
    spec: { clusterRef: { name: cluster }, ...spec },
  };
}

/** Takes away the pod that leads group 0 under a writer, and waits until all is whole again. */
async function loseLeader(
  what: string,
  strike: (pod: PodObject) => Promise<unknown>,
  isBack: (before: PodObject, now: PodObject) => boolean,
): Promise<void> {
  const leader = (await client.groups(5)).find(({ group }) => group === 0)!.leader;
  const before = await space.get<PodObject>(`pod/demo-${leader}`);
  let writer: RemoteWriter | null = null;
  try {
    writer = client.startWriter();
    await writer.progress(100, 60_000);
    writer.mark();
    report(`${what} demo-${leader}, which leads group 0`);
    await strike(before);
    await writer.progress(200, 60_000);
    await waitUntil(
      `demo-${leader} back`,
      async () => {
        const now = await space.get<PodObject>(`pod/demo-${leader}`);
        return isBack(before, now) && isReady(now);
      },
      SETTLE,
    );
    await demo.settled(5);
    await writer.progress(50, 60_000);
    const result = await writer.stop();
    report(
      `longest gap ${result.longestGapMs} ms; acknowledged and found again: ${result.messages} messages, ` +
        `${result.puts} writes to the cache; ${result.locks} locks with rising tokens`,
    );
    expect(result.losses).toEqual([]);
  } finally {
    writer?.kill();
  }
  await demo.check(5);
}

beforeAll(async () => {
  report(`namespace ${NAMESPACE}, which enforces the restricted level`);
  await space.kubectl(['delete', 'namespace', NAMESPACE, '--ignore-not-found', '--timeout=4m']);
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels } };
  await space.kubectl(['create', '--filename', '-'], JSON.stringify(namespace));
});
afterAll(() => samples.remove());

describe('the story of a SyncCluster', () => {
  test('the chart installs the operator and tests itself', async () => {
    await installOperator(access, operatorValues(access), report);
  });

  test('the sample comes to three ready members where only restricted pods may run', async () => {
    expect(await space.refusal(['run', 'lax', '--image=none', '--dry-run=server'])).toContain(
      'PodSecurity "restricted',
    );
    await applyCluster(access, samples.pathOf('cluster'), report);
    const [product] = defaultOptions().products.filter(({ name }) => name === 'bench');
    const { repository, tag } = defaultOptions();
    client = await ClientPod.start(space, 'demo', `${repository}/${product!.name}:${tag}`);
    demo = new Demo(space, client, report);
    await demo.check(3);
  });

  test('an application locks, sends, receives and caches', async () => {
    const answer = await client.use();
    expect(answer).toMatchObject({ refused: true, left: 0, hit: 'hello', missed: true });
    expect(answer.received).toBe(answer.sent);
    expect(answer.tokens[1]).toBeGreaterThan(answer.tokens[0]);
    lastToken = answer.tokens[1];
  });

  test('what makes no sense is refused in a sentence', async () => {
    const patch = (spec: unknown): Promise<string> =>
      space.refusal(['patch', DEMO, '--type=merge', '--dry-run=server', '--patch', JSON.stringify({ spec })]);
    const misspelt = {
      apiVersion: 'synccluster.io/v1alpha1',
      kind: 'SyncCluster',
      metadata: { name: 'misspelt' },
      spec: { membres: 3 },
    };
    const fourMembers = await patch({ members: 4 });
    const shrunk = await patch({ storage: { size: '512Mi' } });
    const unknown = await space.refusal(
      ['create', '--dry-run=server', '--filename', '-'],
      JSON.stringify(misspelt),
    );
    const negative = await space.refusal(
      ['create', '--dry-run=server', '--filename', '-'],
      JSON.stringify(benchmarkOf('demo', { ttlSecondsAfterFinished: -1 })),
    );
    for (const told of [fourMembers, shrunk, unknown, negative])
      report(told.split('\n').find((line) => line.includes('spec.')) ?? told);
    expect(fourMembers).toContain('spec.members: Unsupported value: 4: supported values: "1", "3", "5"');
    expect(shrunk).toContain('size may only grow');
    expect(unknown).toContain('unknown field "spec.membres"');
    expect(negative).toContain(
      'spec.ttlSecondsAfterFinished: Invalid value: -1: spec.ttlSecondsAfterFinished in body should be greater than or equal to 0',
    );
  });

  test('a benchmark of a cluster that is not there says what it waits for', async () => {
    const ghost = 'syncbenchmarks.synccluster.io/ghost';
    await space.kubectl(['create', '--filename', '-'], JSON.stringify(benchmarkOf('ghost', {})));
    await space.kubectl(['wait', '--for=condition=Complete=False', '--timeout=1m', ghost]);
    const complete = conditionOf(await space.get<ListedObject & ClusterObject>(ghost), 'Complete');
    report(`${complete?.reason}: ${complete?.message}`);
    expect(complete).toMatchObject({
      reason: 'ClusterNotFound',
      message: `there is no SyncCluster ghost in namespace ${NAMESPACE}: create it, and this benchmark starts, or create a SyncBenchmark that names another`,
    });
    expect(await space.list('jobs')).toEqual([]);
    await waitUntil(
      'the warning in the events',
      async () => (await space.kubectl(['events', '--for', ghost])).includes('ClusterNotFound'),
      { timeoutMs: 30_000, intervalMs: 500 },
    );
    await space.kubectl(['delete', ghost]);
  });

  test('scaled to five there are five voters', async () => {
    report('kubectl scale --replicas=5');
    await space.kubectl(['scale', DEMO, '--replicas=5']);
    await demo.check(5);
  });

  test('nothing acknowledged is lost when the leading pod is deleted by force under load', async () => {
    await loseLeader(
      'deleting by force',
      (pod) =>
        space.kubectl(['delete', `pod/${pod.metadata.name}`, '--grace-period=0', '--force', '--wait=false']),
      (before, now) => now.metadata.uid !== before.metadata.uid,
    );
  });

  test.skipIf(rig === null)('nor when the leading member is killed without a word', async () => {
    await loseLeader(
      'killing the program of',
      (pod) => crash(rig!, pod),
      (before, now) => restartsOf(now) > restartsOf(before),
    );
  });

  test('scaled back to three, volumes go as retention says, and what was written stays', async () => {
    report('kubectl scale --replicas=3');
    await space.kubectl(['scale', DEMO, '--replicas=3']);
    await demo.check(3);
    await demo.claimsOf(3);
    const { token, greeting } = await client.recall();
    expect(greeting).toBe('hello');
    expect(token).toBeGreaterThan(lastToken);
  });

  // On the rig there is a test of its own for that, of each step.
  test.skipIf(rig !== null)(
    'an operator killed in the middle of scaling is followed by one that goes on',
    async () => {
      const killOperators = async (): Promise<void> => {
        const [stateful] = await space.list<ListedObject & { spec: { replicas: number } }>('statefulsets');
        report(`killing both operators while the StatefulSet has ${stateful?.spec.replicas} replicas`);
        const selector = 'app.kubernetes.io/name=synccluster-operator';
        const which = [`--selector=${selector}`, '--namespace', SYSTEM];
        await space.kubectl(['delete', 'pods', ...which, '--grace-period=0', '--force', '--wait=false']);
      };
      report('kubectl scale --replicas=5');
      await space.kubectl(['scale', DEMO, '--replicas=5']);
      await demo.progressing('ScalingUp');
      await killOperators();
      await demo.check(5);
      report('kubectl scale --replicas=3');
      await space.kubectl(['scale', DEMO, '--replicas=3']);
      await demo.progressing('ScalingDown');
      await killOperators();
      await demo.check(3);
      await demo.claimsOf(3);
      expect((await client.recall()).greeting).toBe('hello');
    },
  );

  test('a benchmark leaves results that are read as such', async () => {
    await runBenchmark(access, samples.pathOf('benchmark'), report);
    const results = await space.get<ConfigMapObject>('configmap/demo-light-results');
    const packed = results.binaryData?.['results.json.gz'];
    const json = results.data?.['results.json'] ?? gunzipSync(Buffer.from(packed ?? '', 'base64')).toString();
    const result = readResult(JSON.parse(json));
    expect(result.outcome).toBe('succeeded');
    expect(result.settings).toMatchObject({ preset: 'light', runs: 3 });
    const jobs = await space.list<ListedObject & ClusterObject>(
      'jobs',
      'app.kubernetes.io/instance=demo-light',
    );
    expect(jobs.map((job) => conditionOf(job, 'Complete')?.status)).toEqual(['True']);

    const printed = await space.printed(BENCHMARK);
    report(
      Object.entries(printed)
        .map(([head, cell]) => `${head}=${cell}`)
        .join(' '),
    );
    expect(printed).toMatchObject({
      NAME: 'demo-light',
      CLUSTER: 'demo',
      PRESET: 'Light',
      STATE: 'Succeeded',
    });
    const shown = (printed['OPS/S'] ?? '').split(' · ').map((part) => part.split(' '));
    expect(shown.map(([primitive]) => primitive).sort()).toEqual(['cache', 'lock', 'queue']);
    for (const [primitive, text = ''] of shown) {
      const best = Math.max(
        ...result.measurements
          .filter(({ operation }) => operation.startsWith(`${primitive}.`))
          .map(({ throughputPerS }) => throughputPerS.mean),
      );
      const told = Number.parseFloat(text) * (text.endsWith('k') ? 1000 : 1);
      expect(Math.abs(told - best) / best).toBeLessThan(0.05);
    }
  });

  test('short names and the category list the same as full names, and every field is explained', async () => {
    const listed = async (what: string): Promise<string[]> =>
      (await space.kubectl(['get', what, '--output=name'])).trim().split('\n').sort();
    const full = await listed('syncclusters.synccluster.io,syncbenchmarks.synccluster.io');
    expect(full).toHaveLength(2);
    expect(await listed('scl,sb')).toEqual(full);
    expect(await listed('sync')).toEqual(full);

    const told = await space.kubectl(['explain', 'synccluster.spec.storage']);
    const [head = '', tail = ''] = told.split('FIELDS:\n');
    expect(head).toMatch(/DESCRIPTION:\s+\w+/);
    const fields = tail.split(/\n\s*\n/).filter((field) => field.trim() !== '');
    expect(fields.map((field) => /^ {2}(\w+)\t/.exec(field)?.[1])).toEqual([
      'medium',
      'retention',
      'size',
      'storageClassName',
    ]);
    for (const field of fields) expect(field.replace(/\n {2}enum: .*/, '')).toMatch(/>.*\n {4}\w+/);
  });

  test('all that is owned goes with its owner, and volumes stay as retention says', async () => {
    const owned = async (): Promise<string[]> => {
      const all = await space.list(OWNED_KINDS);
      return all
        .filter(
          ({ metadata }) =>
            metadata.labels?.['app.kubernetes.io/part-of'] === 'synccluster' ||
            metadata.ownerReferences?.some(({ apiVersion }) => apiVersion.startsWith('synccluster.io/')),
        )
        .map(({ kind, metadata }) => `${kind} ${metadata.name}`)
        .sort();
    };
    const before = await owned();
    report(`owned: ${before.join(', ')}`);
    expect(before).toEqual(
      expect.arrayContaining([
        'StatefulSet demo',
        'Pod demo-0',
        'Service demo',
        'ConfigMap demo-light-results',
      ]),
    );
    report('deleting the SyncBenchmark and the SyncCluster');
    await space.kubectl(['delete', BENCHMARK, DEMO, '--timeout=2m']);
    let left: string[] = before;
    await waitUntil(
      'all that was owned to be gone',
      async () => {
        left = await owned();
        return left.length === 0;
      },
      { timeoutMs: 120_000, intervalMs: 500 },
    ).catch((error: unknown) => {
      throw new Error(`left: ${left.join(', ')}`, { cause: error });
    });
    await demo.claimsOf(3);
    await space.kubectl(['delete', 'namespace', NAMESPACE, '--timeout=4m']);
  });
});
