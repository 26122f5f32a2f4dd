import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyCluster, SYSTEM_NAMESPACE } from '../kind/story.ts';
import { waitUntil } from '../rig/condition.ts';
import { stoppedNodes } from '../rig/node.ts';
import { timedReport } from '../rig/progress.ts';
import { NODES } from '../rig/settings.ts';
import { readAccess, rigOf } from './access.ts';
import type { Left } from './client/answers.ts';
import { ClientPod, clientImage, type RemoteWriter } from './clientPod.ts';
import { DEMO, Demo, MEMBERS, SETTLE } from './demo.ts';
import { type ClusterObject, isReady, type ListedObject, Namespace, type PodObject } from './kubernetes.ts';
import { ensureOperator, OPERATOR } from './operator.ts';
import { Samples } from './sample.ts';

const NAMESPACE = 'synccluster-e2e-nodes';
/** Within which the conditions have to tell of a node that is lost. */
const TOLD_MS = 60_000;

const report = timedReport();
const access = readAccess();
const rig = rigOf(access);
const space = new Namespace(access, NAMESPACE);
const system = new Namespace(access, SYSTEM_NAMESPACE);
const samples = new Samples(NAMESPACE);
let client: ClientPod;
let demo: Demo;
/** The node with one of the three members, and the one with the other two, which are a quorum. */
let lesser: string;
let greater: string;

async function podsOn(node: string): Promise<string[]> {
  const pods = await demo.pods();
  return pods.filter((pod) => pod.spec.nodeName === node).map((pod) => pod.metadata.name);
}

/** Whether its pod is to go, which it cannot while its node is lost. */
async function isGivenUp(member: string | undefined): Promise<boolean> {
  const pods = await demo.pods();
  return pods.some(({ metadata }) => metadata.name === member && metadata.deletionTimestamp !== undefined);
}

/** Why a member is not ready, as its SyncCluster says. */
async function toldOf(member: string | undefined): Promise<string> {
  const { status } = await space.get<ClusterObject>(DEMO);
  return status?.memberStatuses?.find(({ podName }) => podName === member)?.message ?? '';
}

async function startClient(node: string): Promise<void> {
  client = await ClientPod.start(space, 'demo', clientImage(), node);
  demo = new Demo(space, client, report);
}

function drain(node: string, ...more: string[]): string[] {
  return ['drain', node, '--ignore-daemonsets', '--delete-emptydir-data', ...more];
}

/** Work goes on under a writer, which loses nothing. */
async function underWriter(work: (writer: RemoteWriter) => Promise<void>): Promise<void> {
  const writer = client.startWriter();
  try {
    await writer.progress(50, 60_000);
    writer.mark();
    await work(writer);
    await writer.progress(50, 60_000);
    const result = await writer.stop();
    report(
      `longest gap ${result.longestGapMs} ms; acknowledged and found again: ${result.messages} messages, ` +
        `${result.puts} writes to the cache; ${result.locks} locks with rising tokens`,
    );
    expect(result.losses).toEqual([]);
  } finally {
    writer.kill();
  }
}

/** One operator on each node, or a lost node might take both, and nobody would be there to tell. */
async function spreadOperators(): Promise<void> {
  const operators = await system.list<PodObject>('pods', OPERATOR);
  const [first] = operators;
  if (first === undefined || new Set(operators.map((pod) => pod.spec.nodeName)).size > 1) return;
  report(`both operators are on ${first.spec.nodeName}: moving one`);
  await system.kubectl(['delete', `pod/${first.metadata.name}`]);
  await waitUntil(
    'an operator on each node',
    async () => {
      const ready = (await system.list<PodObject>('pods', OPERATOR)).filter(isReady);
      return new Set(ready.map((pod) => pod.spec.nodeName)).size === NODES.length;
    },
    SETTLE,
  );
}

// Nodes of a cluster that is somebody else's are not drained and cannot be cut off.
describe.skipIf(rig === null)('nodes that go', () => {
  beforeAll(async () => {
    await space.recreate();
    await ensureOperator(access, report);
    await applyCluster(access, samples.pathOf('cluster'), report);
  });
  afterAll(async () => {
    samples.remove();
    for (const name of stoppedNodes()) await rig?.startNode(name);
    await space.kubectl(['uncordon', ...NODES.map(({ name }) => name)]);
  });

  test('members are spread over both nodes', async () => {
    const pods = await space.list<PodObject>('pods', MEMBERS);
    const count = (node: string): number => pods.filter((pod) => pod.spec.nodeName === node).length;
    const [first, second] = NODES.map(({ name }) => name).sort((a, b) => count(a) - count(b));
    lesser = first ?? '';
    greater = second ?? '';
    expect([count(lesser), count(greater)]).toEqual([1, 2]);
    await startClient(greater);
    await demo.check(3);
  });

  test('a node is drained while the cluster serves, and the other is held back until it is whole', async () => {
    await underWriter(async (writer) => {
      const [member] = await podsOn(lesser);
      report(`kubectl drain ${lesser}, where ${member} is`);
      // By force: tests that failed before may have left a pod there that nobody would make again.
      await space.kubectl(drain(lesser, '--force', '--timeout=2m'));
      expect(await demo.tells('Degraded', 'True', 'MemberUnavailable')).toContain(member);
      await demo.tells('Available', 'True', 'AllGroupsLed');
      expect(await demo.printed()).toMatchObject({ MEMBERS: '3', READY: '2', AVAILABLE: 'True' });
      // Its volume is a folder of that node, so it can come back nowhere else.
      await waitUntil(
        `${member} to be told to have no node`,
        async () => (await toldOf(member)).startsWith('no node for it'),
        SETTLE,
      );
      await writer.progress(100, 60_000);

      const others = await podsOn(greater);
      report(`kubectl drain ${greater}, where ${others.join(' and ')} are`);
      const uids = async (): Promise<string[]> =>
        (await demo.pods()).filter(isReady).map(({ metadata }) => metadata.uid);
      const before = await uids();
      // The client would go too, for nothing holds back that.
      const said = await space.refusal(drain(greater, `--pod-selector=${MEMBERS}`, '--timeout=12s'));
      report(said.split('\n').find((line) => line.includes('evicting')) ?? said);
      expect(said).toContain("violate the pod's disruption budget");
      expect(before).toHaveLength(2);
      expect(await uids()).toEqual(before);
      await demo.tells('Available', 'True', 'AllGroupsLed');
      await writer.progress(100, 60_000);

      report('kubectl uncordon');
      await space.kubectl(['uncordon', lesser, greater]);
      await demo.settled(3);
    });
    await demo.check(3);
  });

  test('a node without power shows in the conditions while the quorum serves on, and is forgiven', async () => {
    await underWriter(async (writer) => {
      const [member] = await podsOn(lesser);
      report(`cutting the power of ${lesser}, where ${member} is`);
      await rig!.stopNode(lesser);
      expect(await demo.tells('Degraded', 'True', 'MemberUnavailable', TOLD_MS)).toContain(member);
      await demo.tells('Available', 'True', 'AllGroupsLed');
      const printed = await demo.printed();
      expect(printed).toMatchObject({ MEMBERS: '3', READY: '2', AVAILABLE: 'True' });
      expect(await podsOn(greater)).toContain(printed['LEADER']);
      await waitUntil(`${member} to be given up by Kubernetes`, () => isGivenUp(member), SETTLE);
      await demo.tells('Degraded', 'True', 'MemberUnavailable');
      await demo.tells('Available', 'True', 'AllGroupsLed');
      expect(await demo.printed()).toMatchObject({ MEMBERS: '3', READY: '2', AVAILABLE: 'True' });
      await writer.progress(100, 60_000);
      report(`longest gap ${writer.counts.longestGapMs} ms; power for ${lesser}`);
      writer.mark();
      await rig!.startNode(lesser);
      await demo.settled(3);
    });
    await demo.check(3);
  });

  test('a kubelet that stops shows too, though its member still answers', async () => {
    const [member] = await podsOn(lesser);
    report(`stopping the kubelet of ${lesser}, where ${member} is`);
    await rig!.stopKubelet(lesser);
    expect(await demo.tells('Degraded', 'True', 'MemberUnavailable', TOLD_MS)).toContain(member);
    expect(await isGivenUp(member)).toBe(false);
    await demo.tells('Available', 'True', 'AllGroupsLed');
    expect(await demo.printed()).toMatchObject({ MEMBERS: '3', READY: '2', AVAILABLE: 'True' });
    expect(await toldOf(member)).toBe('its node is silent');
    report(`kubelet of ${lesser} again`);
    await rig!.startNode(lesser);
    await demo.check(3);
  });

  test('with the quorum lost nothing is promised, and with its return nothing is missing', async () => {
    await client.remove();
    await startClient(lesser);
    const left: Left = await client.leave();
    await spreadOperators();
    const lost = await podsOn(greater);
    report(`cutting the power of ${greater}, where ${lost.join(' and ')} are`);
    await rig!.stopNode(greater);
    expect(await demo.tells('Available', 'False', 'NoLeader', TOLD_MS)).toContain('quorum');
    await demo.tells('Degraded', 'True', 'NoLeader');
    await waitUntil(
      'no member to be called ready',
      async () => (await space.printed(DEMO))['READY'] === '0',
      SETTLE,
    );
    expect(await demo.printed()).toMatchObject({ MEMBERS: '3', AVAILABLE: 'False', LEADER: '' });
    report(`power for ${greater}`);
    await rig!.startNode(greater);
    await demo.check(3);
    const found = await client.find();
    expect(found).toMatchObject({ messages: left.messages, entries: left.entries });
    expect(found.token).toBeGreaterThan(left.token);
  });

  test('operators are there again, and nothing is left', async () => {
    await waitUntil(
      'both operators',
      async () => {
        const [deployment] = await system.list<ListedObject & { status: { readyReplicas?: number } }>(
          'deployments',
          OPERATOR,
        );
        return deployment?.status.readyReplicas === 2;
      },
      SETTLE,
    );
    await space.remove();
  });
});
