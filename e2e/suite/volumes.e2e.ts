import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyCluster } from '../kind/story.ts';
import { waitUntil } from '../rig/condition.ts';
import { timedReport } from '../rig/progress.ts';
import { readAccess } from './access.ts';
import type { Left } from './client/answers.ts';
import { ClientPod } from './clientPod.ts';
import { DEMO, Demo, MEMBERS, SETTLE } from './demo.ts';
import { type ClusterObject, type ConfigMapObject, conditionOf, Namespace } from './kubernetes.ts';
import { ensureOperator } from './operator.ts';
import { Samples } from './sample.ts';

const NAMESPACE = 'synccluster-e2e-volumes';
const IDENTITY = 'configmap/demo-identity';
const START_ANEW = 'synccluster.io/start-anew';

const report = timedReport();
const access = readAccess();
const space = new Namespace(access, NAMESPACE);
const samples = new Samples(NAMESPACE);
let client: ClientPod;
let demo: Demo;
let clusterId: string;
let left: Left;

interface ShownIdentity {
  readonly uid: string;
  readonly clusterId: string | undefined;
}
async function identity(): Promise<ShownIdentity> {
  const { metadata, data } = await space.get<ConfigMapObject>(IDENTITY);
  return { uid: metadata.uid, clusterId: data?.['clusterId'] };
}
async function uids(kind: string, selector?: string): Promise<string[]> {
  return (await space.list(kind, selector)).map(({ metadata }) => metadata.uid).sort();
}

/** All that was left is there, and the token of a lock goes on from where it was. */
async function expectLeft(): Promise<void> {
  const found = await client.find();
  report(`found ${found.messages} messages, ${found.entries} entries, token ${found.token}`);
  expect(found).toMatchObject({ messages: left.messages, entries: left.entries });
  expect(found.token).toBeGreaterThan(left.token);
  left = found;
}

async function expectFoundedAs(id: string): Promise<void> {
  expect((await space.get<ClusterObject>(DEMO)).status?.clusterId).toBe(id);
  expect((await identity()).clusterId).toBe(id);
  for (const volume of await client.volumes(3)) expect(volume).toEqual({ clusterId: id, empty: false });
}

describe('what volumes hold', () => {
  beforeAll(async () => {
    await space.recreate();
    await ensureOperator(access, report);
    await applyCluster(access, samples.pathOf('cluster'), report);
    client = await ClientPod.start(space, 'demo');
    demo = new Demo(space, client, report);
  });
  afterAll(() => samples.remove());

  test('a SyncCluster deleted and applied again finds its data on the volumes that were kept', async () => {
    await demo.check(3);
    left = await client.leave();
    clusterId = (await identity()).clusterId ?? '';
    expect(clusterId).not.toBe('');
    const claims = await uids('persistentvolumeclaims');

    report('kubectl delete, and apply again');
    await space.kubectl(['delete', DEMO, '--cascade=foreground', '--timeout=2m']);
    expect(await uids('pods,statefulsets', MEMBERS)).toEqual([]);
    expect(await space.kubectl(['get', IDENTITY, '--ignore-not-found'])).toBe('');
    await demo.claimsOf(3);
    await applyCluster(access, samples.pathOf('cluster'), report);
    await demo.check(3);
    expect(await uids('persistentvolumeclaims')).toEqual(claims);
    await expectFoundedAs(clusterId);
    await expectLeft();
  });

  test('a SyncCluster deleted alone takes what it owned over when applied again, and no member notices', async () => {
    const kinds = 'statefulsets,services,serviceaccounts,configmaps,poddisruptionbudgets';
    const before = await uids(`pods,${kinds}`, MEMBERS);
    report('kubectl delete --cascade=orphan, and apply again');
    await space.kubectl(['delete', DEMO, '--cascade=orphan', '--timeout=2m']);
    const orphans = await space.list(kinds, MEMBERS);
    expect(orphans.length).toBeGreaterThanOrEqual(7);
    expect(orphans.flatMap(({ metadata }) => metadata.ownerReferences ?? [])).toEqual([]);
    await applyCluster(access, samples.pathOf('cluster'), report);
    await demo.check(3);
    for (const { kind, metadata } of await space.list(kinds, MEMBERS))
      expect([kind, metadata.ownerReferences?.map((owner) => owner.kind)]).toEqual([kind, ['SyncCluster']]);
    expect(await uids(`pods,${kinds}`, MEMBERS)).toEqual(before);
    await expectFoundedAs(clusterId);
    await expectLeft();
  });

  test('the identity deleted is restored from the volumes, and no member notices', async () => {
    const pods = await uids('pods', MEMBERS);
    const before = await identity();
    report(`kubectl delete ${IDENTITY}`);
    await space.kubectl(['delete', IDENTITY]);
    await waitUntil('an identity again', async () => (await identity()).uid !== before.uid, SETTLE);
    await demo.check(3);
    await expectFoundedAs(clusterId);
    expect(await uids('pods', MEMBERS)).toEqual(pods);
    await expectLeft();
  });

  test('all volumes emptied is data lost and not a second cluster', async () => {
    const before = await identity();
    report('deleting all claims and pods');
    await space.kubectl([
      'delete',
      'persistentvolumeclaims',
      '--selector',
      'app.kubernetes.io/instance=demo',
      '--wait=false',
    ]);
    await space.kubectl(['delete', 'pods', '--selector', MEMBERS, '--wait=false']);
    const lost = await demo.tells('Available', 'False', 'DataLost', SETTLE.timeoutMs);
    expect(lost).toContain(`${START_ANEW}=${clusterId}`);
    await demo.tells('Degraded', 'True', 'DataLost');
    expect(await demo.printed()).toMatchObject({
      READY: '0',
      LEADER: '',
      AVAILABLE: 'False',
      STATE: 'DataLost',
    });
    expect(await space.kubectl(['describe', DEMO])).toMatch(/Warning\s+DataLost/);

    // An annotation that names another cluster is no leave to forget this one; the change beside it shows that the
    // operator has looked since.
    await space.kubectl(['annotate', DEMO, `${START_ANEW}=another`]);
    const retention = { spec: { storage: { retention: { whenScaled: 'Retain' } } } };
    await space.kubectl(['patch', DEMO, '--type=merge', '--patch', JSON.stringify(retention)]);
    await waitUntil(
      'the change to be seen',
      async () => {
        const { metadata, status } = await space.get<ClusterObject>(DEMO);
        return status?.observedGeneration === metadata.generation;
      },
      SETTLE,
    );
    expect(conditionOf(await space.get<ClusterObject>(DEMO), 'Available')).toMatchObject({
      status: 'False',
      reason: 'DataLost',
    });
    expect(await identity()).toEqual(before);
    for (const volume of await client.volumes(3)) expect(volume).toEqual({ clusterId: null, empty: true });
  });

  test('the annotation that names what was lost starts anew, empty', async () => {
    report(`kubectl annotate ${START_ANEW}=${clusterId}`);
    await space.kubectl(['annotate', '--overwrite', DEMO, `${START_ANEW}=${clusterId}`]);
    await demo.check(3);
    const anew = (await identity()).clusterId ?? '';
    expect(anew).not.toBe(clusterId);
    await expectFoundedAs(anew);
    expect(await client.find()).toMatchObject({ messages: 0, entries: 0 });
    await space.remove();
  });
});
