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
import { ObjectWatch, type WatchEvent } from './objectWatch.ts';
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

const serves = (pod: PodObject): boolean => isReady(pod) && pod.metadata.deletionTimestamp === undefined;

/** All pods that there were after each event. */
function states(events: readonly WatchEvent<PodObject>[]): readonly PodObject[][] {
  const pods = new Map<string, PodObject>();
  return events.map(({ type, object }) => {
    if (type === 'DELETED') pods.delete(object.metadata.uid);
    else pods.set(object.metadata.uid, object);
    return [...pods.values()];
  });
}

describe('a cluster that is changed', () => {
  beforeAll(async () => {
    await ensureOperator(access, report);
    await space.recreate();
    await applyCluster(access, samples.pathOf('cluster'), report);
    client = await ClientPod.start(space, 'demo');
    demo = new Demo(space, client, report);
    await demo.check(3);
  });
  afterAll(() => samples.remove());

  test('restarts its members one at a time for a new pod template, and serves meanwhile', async () => {
    const before = await space.list<PodObject>('pods', MEMBERS);
    const old = before.map(({ metadata }) => metadata.uid);
    const watch = await ObjectWatch.start<PodObject>(space, ['pods', `--selector=${MEMBERS}`], before.length);
    const writer = client.startWriter();
    try {
      await writer.progress(20, 60_000);
      report('kubectl patch: another annotation for the pods');
      const spec = { podTemplate: { annotations: { 'example.com/changed': 'yes' } } };
      await space.kubectl(['patch', DEMO, '--type=merge', '--patch', JSON.stringify({ spec })]);
      const isNew = ({ metadata }: PodObject): boolean => !old.includes(metadata.uid);
      const latest = (): readonly PodObject[] => states(watch.events).at(-1) ?? [];
      await watch.until(
        'all members to be new',
        () => latest().length === 3 && latest().every((pod) => isReady(pod) && isNew(pod)),
        SETTLE.timeoutMs,
      );
      // Of the first states the watch was not yet told of all.
      const ready = states(watch.events)
        .slice(before.length - 1)
        .map((pods) => pods.filter(serves).length);
      expect(Math.min(...ready)).toBe(2);
      await demo.settled(3);
      await writer.progress(20, 60_000);
      const { losses, longestGapMs, messages } = await writer.stop();
      report(`${messages} messages through it, longest gap ${longestGapMs} ms`);
      expect(losses).toEqual([]);
    } finally {
      writer.kill();
      watch.close();
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

  test('keeps volumes of members that went where retention says so, and leaves none behind where it says that', async () => {
    const retain = async (retention: Readonly<Record<string, string>>): Promise<void> => {
      report(`retention: ${JSON.stringify(retention)}`);
      const spec = { storage: { retention } };
      await space.kubectl(['patch', DEMO, '--type=merge', '--patch', JSON.stringify({ spec })]);
    };
    await retain({ whenScaled: 'Retain' });
    await space.kubectl(['scale', DEMO, '--replicas=1']);
    // Settled: nothing is to be deleted any more.
    await demo.check(1);
    await demo.claimsOf(3);
    await retain({ whenDeleted: 'Delete' });
    await demo.settled(1);
    await demo.claimsOf(3);
    await space.kubectl(['delete', DEMO, '--cascade=foreground', '--timeout=2m']);
    await waitUntil(
      'the end of all volumes',
      async () => (await space.list('persistentvolumeclaims')).length === 0,
      SETTLE,
    );
    await space.remove();
  });
});
