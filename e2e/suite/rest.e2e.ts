import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { applyCluster, SYSTEM_NAMESPACE } from '../kind/story.ts';
import { timedReport } from '../rig/progress.ts';
import { readAccess, rigOf } from './access.ts';
import { type AuditedRequest, readRequests } from './auditLog.ts';
import { ClientPod } from './clientPod.ts';
import { type ContainerUsage, usageOf } from './containerUsage.ts';
import { processIdOf } from './crash.ts';
import { DEMO, Demo, MEMBERS } from './demo.ts';
import { type ClusterObject, Namespace, type PodObject } from './kubernetes.ts';
import { ensureOperator, OPERATOR } from './operator.ts';
import { leadingOperator } from './operatorProcess.ts';
import { Samples } from './sample.ts';

const NAMESPACE = 'synccluster-e2e-rest';
const MINUTE_MS = 60_000;
/** What is written at the beginning is flushed and collected by then. */
const SETTLE_MS = 5_000;
/** Until no leadership has to move any more, and the operator has looked. */
const SPREAD_MS = 120_000;

/** The leader renews its lease every 2 s, and the other one looks at it as often or less: 60 requests. */
const MOST_ABOUT_LEASE = 62;
/**
 * Nothing else has a reason to be asked but what keeps the mirrors, one of each of 10 kinds, up to date. Each lists anew
 * at a moment of its own, 6⅔ to 10 minutes after it last did, and watches from there; a watch is begun anew when it ends
 * by itself, after 5 to 10 minutes. So in a minute a mirror lists once and begins two watches at most, and all of them
 * ask 3 to 4 times on average. They began together, so in one minute of the first round three list on average, and
 * seven in a hundredth of such minutes.
 */
const MOST_OF_A_MIRROR: ReadonlyMap<string, number> = new Map([
  ['list', 1],
  ['watch', 2],
]);
const MOST_OTHERS = 14;
const MB = 1_000_000;
/** Far above what was measured; below what would hurt somebody. */
const BOUNDS = { cpuMillis: 500, memberBytes: 200 * MB, operatorBytes: 250 * MB };

const report = timedReport();
const access = readAccess();
const rig = rigOf(access);
const space = new Namespace(access, NAMESPACE);
const system = new Namespace(access, SYSTEM_NAMESPACE);
const samples = new Samples(NAMESPACE);

interface Measured {
  readonly pod: string;
  readonly pid: number;
  readonly before: ContainerUsage;
}

function shown({ verb, objectRef }: AuditedRequest): string {
  return `${verb} ${objectRef?.resource ?? ''}`;
}

/** Leaderships are handed on a while after members came, and the operator tells of it: that is no rest yet. */
async function expectSpread(): Promise<void> {
  const { status } = await space.get<ClusterObject>(DEMO);
  expect(status?.memberStatuses?.map(({ role }) => role)).toEqual(['Leader', 'Leader', 'Leader']);
}

describe.skipIf(rig === null)('at rest, with one cluster of three', () => {
  beforeAll(async () => {
    await ensureOperator(access, report);
    await space.recreate();
    await applyCluster(access, samples.pathOf('cluster'), report);
    const client = await ClientPod.start(space, 'demo');
    await new Demo(space, client, report).check(3);
    await client.use();
    await space.kubectl(['delete', 'pod/client']);
    await vi.waitFor(expectSpread, { timeout: SPREAD_MS, interval: 500 });
    report('each member leads a group, and the status says so');
  });
  afterAll(() => samples.remove());

  test('the API server is asked for little more than the lease, and nobody needs much', async () => {
    const { pod: leader } = await leadingOperator(rig!, system);
    const pods = [
      ...(await system.list<PodObject>('pods', OPERATOR)),
      ...(await space.list<PodObject>('pods', MEMBERS)),
    ];
    const pids = await Promise.all(pods.map((pod) => processIdOf(rig!, pod)));
    await sleep(SETTLE_MS);
    const since = new Date();
    const beganMs = performance.now();
    const measured: Measured[] = pods.map((pod, at) => ({
      pod: pod.metadata.name === leader.metadata.name ? `${pod.metadata.name} (works)` : pod.metadata.name,
      pid: pids[at]!,
      before: usageOf(pids[at]!),
    }));
    await sleep(MINUTE_MS);
    const tookMs = performance.now() - beganMs;
    const usages = measured.map(({ pod, pid, before }) => {
      const after = usageOf(pid);
      return { pod, ...after, cpuMillis: ((after.cpuMs - before.cpuMs) / tookMs) * 1000 };
    });

    const until = new Date(since.getTime() + MINUTE_MS).toISOString();
    const all = readRequests(rig!.auditLog, 'system:serviceaccount:', since.toISOString()).filter(
      ({ requestReceivedTimestamp }) => requestReceivedTimestamp < until,
    );
    // Each once, whatever was told of it.
    const requests = [...new Map(all.map((request) => [request.auditID, request])).values()];
    const counts = new Map<string, number>();
    for (const request of requests) counts.set(shown(request), (counts.get(shown(request)) ?? 0) + 1);
    report(`requests in a minute: ${[...counts].map(([what, count]) => `${what} ${count}`).join(', ')}`);
    report(`${'pod'.padEnd(52)} CPU (m)  memory (MB)  own (MB)`);
    for (const { pod, cpuMillis, workingSetBytes, anonymousBytes } of usages) {
      const cells = [cpuMillis, workingSetBytes / MB, anonymousBytes / MB].map((value) => value.toFixed(1));
      report(
        `${pod.padEnd(52)} ${cells[0]!.padStart(7)}  ${cells[1]!.padStart(11)}  ${cells[2]!.padStart(8)}`,
      );
    }

    const aboutLease = requests.filter(({ objectRef }) => objectRef?.resource === 'leases');
    expect(aboutLease.length).toBeGreaterThan(0);
    expect(aboutLease.length).toBeLessThanOrEqual(MOST_ABOUT_LEASE);
    expect(requests.length - aboutLease.length).toBeLessThanOrEqual(MOST_OTHERS);
    const ofMirrors = [...counts].filter(([what]) => !what.endsWith(' leases'));
    expect(
      ofMirrors.filter(([what, count]) => count > (MOST_OF_A_MIRROR.get(what.split(' ')[0]!) ?? 0)),
    ).toEqual([]);
    // Members have no business there.
    const operators = `system:serviceaccount:${SYSTEM_NAMESPACE}:`;
    expect(requests.filter(({ user }) => !user.username.startsWith(operators)).map(shown)).toEqual([]);
    for (const { pod, cpuMillis, workingSetBytes } of usages) {
      expect(cpuMillis, pod).toBeLessThan(BOUNDS.cpuMillis);
      const bound = pod.startsWith('demo-') ? BOUNDS.memberBytes : BOUNDS.operatorBytes;
      expect(workingSetBytes, pod).toBeLessThan(bound);
    }
    await space.remove();
  });
});
