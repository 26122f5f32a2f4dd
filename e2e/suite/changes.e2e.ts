import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyCluster } from '../kind/story.ts';
import { waitUntil } from '../rig/condition.ts';
import { timedReport } from '../rig/progress.ts';
import { readAccess } from './access.ts';
import { ClientPod } from './clientPod.ts';
import { DEMO, Demo, MEMBERS, SETTLE } from './demo.ts';
import {
  type ClusterObject,
  type ConfigMapObject,
  conditionOf,
  isReady,
  type ListedObject,
  Namespace,
  type PodObject,
} from './kubernetes.ts';
import { ensureOperator } from './operator.ts';
import { Samples } from './sample.ts';

const NAMESPACE = 'synccluster-e2e-changes';
const BENCHMARK = 'syncbenchmarks.synccluster.io/brief';

const report = timedReport();
const access = readAccess();
const space = new Namespace(access, NAMESPACE);
const samples = new Samples(NAMESPACE);
let client: ClientPod;
let demo: Demo;

const names = (objects: readonly ListedObject[]): string[] => objects.map(({ metadata }) => metadata.name);

describe('a cluster that is changed', () => {
  beforeAll(async () => {
    await ensureOperator(access, report);
    await space.recreate();
    await applyCluster(access, samples.pathOf('cluster'), report);
    client = await ClientPod.start(space, 'demo');
    demo = new Demo(space, client, report);
    await demo.check(3);
  });
  afterAll(async () => {
    samples.remove();
    await space.remove();
  });

  test('restarts its members one at a time for a new pod template, and serves meanwhile', async () => {
    const before = await space.list<PodObject>('pods', MEMBERS);
    const old = before.map(({ metadata }) => metadata.uid);
    const writer = client.startWriter();
    try {
      await writer.progress(20, 60_000);
      report('kubectl patch: another annotation for the pods');
      const spec = { podTemplate: { annotations: { 'example.com/changed': 'yes' } } };
      await space.kubectl(['patch', DEMO, '--type=merge', '--patch', JSON.stringify({ spec })]);
      let fewest = before.length;
      await waitUntil(
        'all members to be new',
        async () => {
          const pods = await space.list<PodObject>('pods', MEMBERS);
          fewest = Math.min(fewest, pods.filter(isReady).length);
          return pods.length === 3 && pods.every((pod) => isReady(pod) && !old.includes(pod.metadata.uid));
        },
        SETTLE,
      );
      expect(fewest).toBe(2);
      await demo.settled(3);
      await writer.progress(20, 60_000);
      const { losses, longestGapMs, messages } = await writer.stop();
      report(`${messages} messages through it, longest gap ${longestGapMs} ms`);
      expect(losses).toEqual([]);
    } finally {
      writer.kill();
    }
    const events = await space.kubectl(['events', '--for', DEMO]);
    for (const { metadata } of before) expect(events).toContain(`deleted pod ${metadata.name}`);
    await demo.check(3);
  });

  const benchmark = {
    apiVersion: 'synccluster.io/v1alpha1',
    kind: 'SyncBenchmark',
    metadata: { name: 'brief' },
    spec: {
      clusterRef: { name: 'demo' },
      scenarios: ['Lock'],
      operations: 100,
      ttlSecondsAfterFinished: 1,
    },
  };
  const measure = async (): Promise<void> => {
    await space.kubectl(['create', '--filename', '-'], JSON.stringify(benchmark));
    await space.kubectl(['wait', '--for=condition=Complete', '--timeout=3m', BENCHMARK]);
  };

  test('keeps the results of a benchmark whose Job went when its time was up', async () => {
    await measure();
    const ended = conditionOf(await space.get<ClusterObject>(BENCHMARK), 'Complete');
    expect(ended?.reason).toBe('Succeeded');
    await waitUntil('the end of the Job', async () => (await space.list('jobs')).length === 0, SETTLE);
    expect(Object.keys((await space.get<ConfigMapObject>('configmap/brief-results')).data ?? {})).toContain(
      'summary.md',
    );
    expect(conditionOf(await space.get<ClusterObject>(BENCHMARK), 'Complete')?.reason).toBe('Succeeded');
  });

  test('is measured again by a benchmark that was deleted alone and takes what it owned over', async () => {
    const kinds = 'serviceaccounts,roles,rolebindings';
    const left = (): Promise<ListedObject[]> => space.list(kinds, 'app.kubernetes.io/instance=brief');
    await space.kubectl(['delete', BENCHMARK, '--cascade=orphan', '--timeout=2m']);
    // Where results are, nothing is measured again.
    await space.kubectl(['delete', 'configmap/brief-results']);
    const orphans = await left();
    expect(orphans).toHaveLength(3);
    expect(orphans.flatMap(({ metadata }) => metadata.ownerReferences ?? [])).toEqual([]);
    await measure();
    expect(conditionOf(await space.get<ClusterObject>(BENCHMARK), 'Complete')?.reason).toBe('Succeeded');
    for (const { kind, metadata } of await left())
      expect([kind, metadata.ownerReferences?.map((owner) => owner.kind)]).toEqual([kind, ['SyncBenchmark']]);
  });

  test('spends no budget of disruptions once it has one member, and has one again with three', async () => {
    const budgets = async (): Promise<string[]> => names(await space.list('poddisruptionbudgets'));
    expect(await budgets()).toEqual(['demo']);
    await space.kubectl(['scale', DEMO, '--replicas=1']);
    await demo.check(1);
    expect(await budgets()).toEqual([]);
    await demo.claimsOf(1);
    await space.kubectl(['scale', DEMO, '--replicas=3']);
    await demo.check(3);
    expect(await budgets()).toEqual(['demo']);
  });
});
