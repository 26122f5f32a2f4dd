import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defaultOptions, ROOT } from '../images/build.ts';
import { applyCluster, releaseChart, SYSTEM_NAMESPACE } from '../kind/story.ts';
import { CommandError, run } from '../rig/command.ts';
import { waitUntil } from '../rig/condition.ts';
import { ctr } from '../rig/containerd.ts';
import { timedReport } from '../rig/progress.ts';
import { NODES } from '../rig/settings.ts';
import { readAccess, rigOf } from './access.ts';
import { describeRequest, isRefused, podOf, readRequests } from './auditLog.ts';
import { ClientPod } from './clientPod.ts';
import { restartsOf } from './crash.ts';
import { DEMO, Demo, MEMBERS, SETTLE } from './demo.ts';
import { type ClusterObject, type ListedObject, Namespace, type PodObject } from './kubernetes.ts';
import { ensureOperator, OPERATOR, operatorValues } from './operator.ts';
import { LEASE, type LeaseObject } from './operatorProcess.ts';
import { Samples } from './sample.ts';

const NAMESPACE = 'synccluster-e2e-chart';
const CHART = join(ROOT, 'charts/synccluster');
const RELEASE = 'synccluster';
const { repository, tag } = defaultOptions();
/** The same image under another name. */
const NEXT = `${repository}/operator:${tag}-next`;
const DEFINITIONS = ['syncbenchmarks.synccluster.io', 'syncclusters.synccluster.io'];

const report = timedReport();
const access = readAccess();
const rig = rigOf(access);
const space = new Namespace(access, NAMESPACE);
const system = new Namespace(access, SYSTEM_NAMESPACE);
const samples = new Samples(NAMESPACE);
let client: ClientPod;
let demo: Demo;

interface OperatorPod extends PodObject {
  readonly spec: { readonly nodeName?: string; readonly containers: readonly { readonly image: string }[] };
}

function helm(namespace: string, ...args: string[]): Promise<string> {
  const where = ['--kubeconfig', access.kubeconfig, '--namespace', namespace];
  return run(access.helm, [...args, ...where], { timeoutMs: 300_000 });
}

async function onNodes(...args: string[]): Promise<void> {
  await Promise.all(NODES.map(({ name }) => ctr(name, rig!.binaries, args)));
}

/** What would differ if anybody had touched a member. */
async function members(): Promise<readonly string[]> {
  const pods = await space.list<PodObject>('pods', MEMBERS);
  const sets = await space.list<ListedObject>('statefulsets');
  return [
    ...pods.map((pod) => `${pod.metadata.name} ${pod.metadata.uid} restarted ${restartsOf(pod)} times`),
    ...sets.map(({ metadata }) => `${metadata.name} ${metadata.uid} generation ${metadata.generation}`),
  ].sort();
}

/** The operator that runs now has looked at the cluster: it tells of a change that was made just now. */
async function looksAfter(whenScaled: 'Delete' | 'Retain'): Promise<void> {
  const spec = { storage: { retention: { whenScaled } } };
  await space.kubectl(['patch', DEMO, '--type=merge', '--patch', JSON.stringify({ spec })]);
  await demo.settled(3);
}

async function operators(): Promise<OperatorPod[]> {
  return await system.list<OperatorPod>('pods', OPERATOR);
}

/** None of these is there any more, and one of those that are works. */
async function replaced(old: readonly OperatorPod[]): Promise<void> {
  const uids = old.map(({ metadata }) => metadata.uid);
  await waitUntil(
    'the old operators to be gone and a new one to work',
    async () => {
      const pods = await operators();
      const { holderIdentity } = (await system.get<LeaseObject>(LEASE)).spec;
      return (
        pods.every(({ metadata }) => !uids.includes(metadata.uid)) &&
        pods.some(({ metadata }) => metadata.name === holderIdentity)
      );
    },
    SETTLE,
  );
}

/** A writer finds all that was acknowledged to it. */
async function serves(): Promise<void> {
  const writer = client.startWriter();
  try {
    await writer.progress(50, 60_000);
    const { losses, messages, puts, locks } = await writer.stop();
    report(`served: ${messages} messages, ${puts} writes to the cache, ${locks} locks`);
    expect(losses).toEqual([]);
  } finally {
    writer.kill();
  }
}

describe('the chart, given nonsense', () => {
  beforeAll(() => space.recreate());

  test.each([
    ['replicas=0', '/replicas'],
    ['replicas=two', '/replicas'],
    ['image.tag=not a tag', '/image/tag'],
    ['logLevel=loud', '/logLevel'],
    ['leaderElection.leaseDurationSeconds=1', '/leaderElection/leaseDurationSeconds'],
    ['namespaces={Not_A_Name}', '/namespaces/0'],
    ['replcas=2', 'replcas'],
  ])('refuses --set %s before anything is installed', async (value, named) => {
    let told = '';
    try {
      await helm(NAMESPACE, 'install', 'nonsense', CHART, '--set', value);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      told = error.stderr;
    }
    report(told.trim().split('\n').slice(-1)[0] ?? '');
    expect(told).toContain("values don't meet the specifications of the schema");
    expect(told).toContain(named);
    // Where Helm keeps what it has begun to install.
    expect(await space.list('secrets', 'owner=helm')).toEqual([]);
  });

  // Or it goes with the last of the tests below.
  test.skipIf(rig !== null)('leaves nothing', () => space.remove());
});

// A release that is somebody else's is not given other values, and not uninstalled.
describe.skipIf(rig === null)('the chart', () => {
  beforeAll(async () => {
    await ensureOperator(access, report);
    await applyCluster(access, samples.pathOf('cluster'), report);
    client = await ClientPod.start(space, 'demo');
    demo = new Demo(space, client, report);
    await client.use();
  });
  afterAll(() => onNodes('images', 'remove', NEXT));

  test('upgraded to another image replaces the operators, and touches no member', async () => {
    await onNodes('images', 'tag', '--force', `${repository}/operator:${tag}`, NEXT);
    const before = await members();
    const old = await operators();
    await releaseChart(access, [...operatorValues(access), `image.tag=${tag}-next`], report);
    await replaced(old);
    const images = (await operators()).map(({ spec }) => spec.containers[0]?.image);
    report(`operators run ${[...new Set(images)].join(', ')}`);
    expect(images).toEqual([NEXT, NEXT]);
    await looksAfter('Retain');
    expect(await members()).toEqual(before);
    expect((await client.recall()).greeting).toBe('hello');
    await serves();
  });

  test('uninstalled it leaves clusters at work with all they hold, and says so', async () => {
    const notes = await helm(SYSTEM_NAMESPACE, 'get', 'notes', RELEASE);
    const promise = notes.split('\n').find((line) => line.includes('helm uninstall'));
    report(promise ?? '');
    expect(promise).toContain('members go on serving');
    const before = await members();
    const told = await helm(SYSTEM_NAMESPACE, 'uninstall', RELEASE, '--wait', '--timeout', '3m');
    for (const line of told.trim().split('\n')) report(line);
    expect(told).toContain('resource policy');
    for (const definition of DEFINITIONS) expect(told).toContain(`[CustomResourceDefinition] ${definition}`);
    await waitUntil('the operators to be gone', async () => (await operators()).length === 0, SETTLE);
    expect(await system.list('deployments,services,serviceaccounts,poddisruptionbudgets', OPERATOR)).toEqual(
      [],
    );
    const kept = await space.list('customresourcedefinitions');
    expect(kept.map(({ metadata }) => metadata.name)).toEqual(expect.arrayContaining(DEFINITIONS));
    expect((await space.get<ClusterObject>(DEMO)).status?.readyReplicas).toBe(3);
    expect((await client.recall()).greeting).toBe('hello');
    await serves();
    expect(await members()).toEqual(before);
    // The operators' own, and no object of the chart: a new installation has to find its way without it.
    await system.kubectl(['delete', LEASE]);
  });

  test('installed again it goes on with the clusters it finds', async () => {
    const before = await members();
    await ensureOperator(access, report);
    await looksAfter('Delete');
    expect(await members()).toEqual(before);
    await demo.check(3);
    expect((await client.recall()).greeting).toBe('hello');
  });

  test('told which namespaces to serve it has what it needs there, and is refused nothing', async () => {
    const began = new Date().toISOString();
    const old = await operators();
    await releaseChart(access, [...operatorValues(access), `namespaces={${NAMESPACE}}`], report);
    await replaced(old);
    const roles = await space.list('clusterroles,roles,clusterrolebindings,rolebindings', OPERATOR);
    const forOperator = roles.filter(({ metadata }) => !/-(edit|view)$/.test(metadata.name));
    // For the lease, and for the rest.
    expect(forOperator.map(({ kind }) => kind).sort()).toEqual(['Role', 'RoleBinding']);
    const there = await space.list('roles,rolebindings', OPERATOR);
    expect(there.map(({ kind }) => kind).sort()).toEqual(['Role', 'RoleBinding']);
    const listed = (await operators()).map(({ metadata }) => metadata.name);
    report('kubectl scale --replicas=1');
    await space.kubectl(['scale', DEMO, '--replicas=1']);
    await demo.check(1);
    await demo.claimsOf(1);
    expect((await client.recall()).greeting).toBe('hello');

    await ensureOperator(access, report);
    const all = readRequests(rig!.auditLog, `system:serviceaccount:${SYSTEM_NAMESPACE}:`, began);
    // Not of the operators before, which lose what they have when these come.
    const requests = all.filter((request) => listed.includes(podOf(request) ?? ''));
    const elsewhere = requests.filter(
      ({ objectRef }) => ![NAMESPACE, SYSTEM_NAMESPACE].includes(objectRef?.namespace ?? ''),
    );
    report(`${requests.length} requests of operators that serve ${NAMESPACE} alone`);
    expect(requests.length).toBeGreaterThan(20);
    expect(elsewhere.map(describeRequest)).toEqual([]);
    expect(requests.filter(isRefused).map(describeRequest)).toEqual([]);
    await space.remove();
  });
});
afterAll(() => samples.remove());
