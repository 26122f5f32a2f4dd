import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from '@synccluster/client';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { API_VERSION, SYNC_CLUSTERS, type SyncCluster } from '../api/syncCluster.ts';
import type { MemberStatus } from '../cluster/memberApi.ts';
import { PORTS } from '../desired/names.ts';
import { type Operator, startOperator } from '../runtime/operator.ts';
import { stringAt } from './json.ts';
import { CLAIMS, CONFIG_MAPS, EVENTS, PODS } from './kinds.ts';
import { type LocalRuntime, startLocalRuntime, stopLocalRuntime } from './localRuntime.ts';

const DEADLINE_MS = 60_000;
const KEY = { namespace: 'ns', name: 'db' };
const ANNOTATION = 'synccluster.io/recover-from';
const MEMBER = fileURLToPath(new URL('../../../node/src/main.ts', import.meta.url));

let dir: string;
let runtime: LocalRuntime;
let operator: Operator;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'synccluster-recovery-'));
  const logger = pino({ level: 'silent' });
  runtime = await startLocalRuntime({
    dir: join(dir, 'runtime'),
    logger,
    programs: { 'synccluster-node': ['--disable-warning=ExperimentalWarning', '-C', 'development', MEMBER] },
  });
  operator = await startOperator({ kube: runtime.kube, namespaces: [], logger, health: null });
});
afterEach(async () => {
  await operator.stop();
  await runtime.stop(0);
  await stopLocalRuntime(join(dir, 'runtime'));
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});

function apply(annotations: Record<string, string> = {}): void {
  runtime.applyManifest({
    apiVersion: API_VERSION,
    kind: 'SyncCluster',
    metadata: { ...KEY, annotations },
    spec: { members: 3, shards: 1, storage: { size: '64Mi' } },
  });
}
const condition = (cluster: SyncCluster, type: string) =>
  cluster.status?.conditions?.find((one) => one.type === type);

async function until(what: string, holds: (cluster: SyncCluster) => boolean): Promise<SyncCluster> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const cluster = await runtime.kube.get(SYNC_CLUSTERS, KEY);
    if (cluster !== null && holds(cluster)) return cluster;
    if (performance.now() > deadline) {
      throw new Error(`waited in vain for ${what}: ${JSON.stringify(cluster?.status, null, 1)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
const settled = (cluster: SyncCluster): boolean =>
  condition(cluster, 'Available')?.status === 'True' &&
  condition(cluster, 'Progressing')?.reason === 'Settled' &&
  cluster.status?.readyReplicas === 3;
async function newClient() {
  const endpoints = runtime.endpoints('ns', 'db', 'client').map(({ host, port }) => `${host}:${port}`);
  return connect({ endpoints, requestTimeoutMs: 20_000 });
}
/** Acknowledged is what some two of three have: nothing is lost with the others once this one has it too. */
async function hasEverything(ordinal: number): Promise<boolean> {
  const groups = await Promise.all(
    [0, 1, 2].map(async (each) => {
      const address = runtime.podAddress('ns', `db-${each}`);
      const response = await fetch(`http://${address}:${PORTS.admin}/admin/v1/status`);
      return ((await response.json()) as MemberStatus).groups;
    }),
  );
  return groups.every((all) =>
    all.every(({ commit }, group) => (groups[ordinal]?.[group]?.applied ?? 0) >= commit),
  );
}
const reasons = (): string[] =>
  runtime.store.list(EVENTS, { namespace: 'ns' }).map((event) => stringAt(event, 'reason') ?? '');
const identity = () => runtime.store.get(CONFIG_MAPS, { namespace: 'ns', name: 'db-identity' })?.['data'];

it('a cluster whose quorum is gone goes on from the member that is named, with its data', {
  timeout: 4 * DEADLINE_MS,
}, async () => {
  apply();
  const before = await until('three members', settled);
  const client = await newClient();
  await client.cache.put('key', 'value');
  await client.close();
  while (!(await hasEverything(1))) await new Promise((resolve) => setTimeout(resolve, 20));

  for (const ordinal of [0, 2]) {
    runtime.store.delete(CLAIMS, { namespace: 'ns', name: `data-db-${ordinal}` });
    runtime.store.delete(PODS, { namespace: 'ns', name: `db-${ordinal}` });
  }
  const lost = await until('the loss to be told', (cluster) =>
    Boolean(condition(cluster, 'Available')?.message.includes(`${ANNOTATION}=db-1`)),
  );
  expect(condition(lost, 'Available')).toMatchObject({ status: 'False', reason: 'NoLeader' });

  apply({ [ANNOTATION]: 'db-0' });
  await until('an empty member to be refused', (cluster) =>
    Boolean(condition(cluster, 'Available')?.message.includes('it holds no data')),
  );
  apply({ [ANNOTATION]: 'db-1' });
  const after = await until('three members again', settled);
  expect(after.status?.clusterId).not.toBe(before.status?.clusterId);
  expect(after.status?.lastHandledRecoverFrom).toBe('db-1');
  expect(identity()).toMatchObject({
    clusterId: after.status?.clusterId,
    recoveredFrom: before.status?.clusterId,
    survivorOrdinal: '1',
  });
  const memberAt = (cluster: SyncCluster, ordinal: number) =>
    cluster.status?.memberStatuses?.find((member) => member.ordinal === ordinal)?.memberId;
  expect(memberAt(after, 1)).toBe(memberAt(before, 1));
  for (const ordinal of [0, 2]) expect(memberAt(after, ordinal)).not.toBe(memberAt(before, ordinal));
  expect(reasons()).toEqual(expect.arrayContaining(['RecoveryRecorded', 'SurvivorTold', 'Recovered']));
  const again = await newClient();
  const entry = await again.cache.get('key', { level: 'linearizable' });
  expect(Buffer.from(entry!.value).toString()).toBe('value');
  await again.close();
});
