import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM_NAMESPACE } from '../kind/story.ts';
import { timedReport } from '../rig/progress.ts';
import { readAccess, rigOf } from './access.ts';
import { type AuditedRequest, describeRequest, isRefused, podOf, readRequests } from './auditLog.ts';
import { type ListedObject, Namespace } from './kubernetes.ts';
import { ensureOperator, OPERATOR } from './operator.ts';
import { type Rule, rightsOf, rightsUsed } from './rights.ts';
import { uninstalledSpans } from './uninstalledSpans.ts';

const NAMESPACE = 'synccluster-e2e-rights';
const ACCOUNT = `system:serviceaccount:${SYSTEM_NAMESPACE}:`;
/** Whose rights are for people, who get them with the cluster's own roles. */
const AGGREGATED = 'rbac.authorization.k8s.io/aggregate-to-admin';

const report = timedReport();
const access = readAccess();
const rig = rigOf(access);
const system = new Namespace(access, SYSTEM_NAMESPACE);
const space = new Namespace(access, NAMESPACE);

interface Role extends ListedObject {
  readonly rules: readonly Rule[];
}

/** `helm test` asks as the operator's account, but is not the operator. */
function isOperator(request: AuditedRequest): boolean {
  return podOf(request)?.endsWith('-test') !== true;
}

/** All rights that roles of the chart give; `forPeople`: those that come with the cluster's own roles. */
async function rolesOf(forPeople: boolean): Promise<Role[]> {
  const kinds = 'roles.rbac.authorization.k8s.io,clusterroles.rbac.authorization.k8s.io';
  const roles = await system.list<Role>(kinds, OPERATOR);
  return roles.filter(({ metadata }) => (metadata.labels?.[AGGREGATED] !== undefined) === forPeople);
}

function expectUsed(roles: readonly Role[], by: readonly AuditedRequest[]): void {
  const counts = new Map(rightsOf(roles.flatMap(({ rules }) => rules)).map((right) => [right, 0]));
  for (const right of by.flatMap(rightsUsed)) {
    const count = counts.get(right);
    if (count !== undefined) counts.set(right, count + 1);
  }
  report([...counts].map(([right, count]) => `${right} ${count}`).join(' · '));
  expect([...counts].filter(([, count]) => count === 0).map(([right]) => right)).toEqual([]);
}

/** People by the cluster's own role that they have. */
const PEOPLE = { edit: 'synccluster-e2e-editor', view: 'synccluster-e2e-viewer' } as const;
const API = `/apis/synccluster.io/v1alpha1/namespaces/${NAMESPACE}`;
/** Its pod fits on no node, and its benchmark waits for ever: nothing of them ever runs. */
const CLUSTER = {
  apiVersion: 'synccluster.io/v1alpha1',
  kind: 'SyncCluster',
  metadata: { name: 'person' },
  spec: { members: 1, scheduling: { nodeSelector: { 'example.com/nowhere': 'yes' } } },
};
const BENCHMARK = {
  apiVersion: 'synccluster.io/v1alpha1',
  kind: 'SyncBenchmark',
  metadata: { name: 'person' },
  spec: { clusterRef: { name: 'nobody' } },
};
type As = (args: readonly string[], stdin?: string) => Promise<string>;

async function viewAll(as: As): Promise<void> {
  const raw = (path: string): Promise<string> => as(['get', '--raw', `${API}/${path}`]);
  for (const plural of ['syncclusters', 'syncbenchmarks']) {
    for (const path of ['', '?watch=1&timeoutSeconds=1', '/person', '/person/status'])
      await raw(plural + path);
  }
  await raw('syncclusters/person/scale');
}

async function editAll(as: As): Promise<void> {
  const stdin = ['--filename', '-', '--dry-run=server'];
  for (const object of [CLUSTER, BENCHMARK]) {
    const plural = `${object.kind.toLowerCase()}s`;
    const it = `${plural}.synccluster.io/person`;
    const fresh = { ...object, metadata: { name: 'another' } };
    await as(['create', ...stdin], JSON.stringify(fresh));
    await as(['replace', ...stdin], await as(['get', it, '--output', 'json']));
    await as(['annotate', it, 'example.com/by=person', '--dry-run=server']);
    await as(['delete', it, '--dry-run=server']);
    await as(['delete', '--raw', `${API}/${plural}?dryRun=All`]);
  }
  const scale = ['syncclusters.synccluster.io/person', '--subresource=scale'];
  const scaled = await as(['get', ...scale, '--output', 'json']);
  await as(['patch', ...scale, '--type=merge', '--patch={"spec":{"replicas":3}}', '--dry-run=server']);
  // kubectl does not know the kind of a scale.
  await as(['replace', '--raw', `${API}/syncclusters/person/scale?dryRun=All`, '--filename', '-'], scaled);
}

// The last of all files: what it looks at is the whole run.
describe.skipIf(rig === null)('over all tests, the operator', () => {
  let requests: AuditedRequest[] = [];
  beforeAll(async () => {
    await ensureOperator(access, report);
    const spans = uninstalledSpans(readFileSync(rig!.auditLog, 'utf8'), SYSTEM_NAMESPACE);
    requests = readRequests(rig!.auditLog, ACCOUNT, access.runBegan).filter(
      ({ requestReceivedTimestamp: at }) => !spans.some(([from, to]) => from <= at && at <= to),
    );
  });

  test('was refused nothing', () => {
    expect(requests.length).toBeGreaterThan(100);
    const refused = requests.filter(isRefused).map(describeRequest);
    report(`${requests.length} requests of the operator's account, ${refused.length} refused`);
    expect(refused).toEqual([]);
  });

  test('made use of every right that the chart gives it', async () => {
    const roles = await rolesOf(false);
    expect(roles.map(({ kind }) => kind).sort()).toEqual(['ClusterRole', 'Role']);
    expectUsed(roles, requests.filter(isOperator));
  });
});

describe.skipIf(rig === null)('whoever may edit or view a namespace', () => {
  const person =
    (role: keyof typeof PEOPLE): As =>
    (args, stdin) =>
      space.kubectl([...args, `--as=${PEOPLE[role]}`], stdin);
  beforeAll(async () => {
    await space.recreate();
    for (const role of ['edit', 'view'] as const) {
      const binding = ['create', 'rolebinding', role, `--clusterrole=${role}`, `--user=${PEOPLE[role]}`];
      await space.kubectl(binding);
    }
    for (const object of [CLUSTER, BENCHMARK])
      await space.kubectl(['create', '--filename', '-'], JSON.stringify(object));
  });

  test('may do the same to clusters and benchmarks there, by every right that the chart adds', async () => {
    const began = new Date().toISOString();
    await viewAll(person('view'));
    await editAll(person('edit'));
    expectUsed(await rolesOf(true), readRequests(rig!.auditLog, 'synccluster-e2e-', began));
  });

  test('may do no more than that', async () => {
    const creation = JSON.stringify({ ...BENCHMARK, metadata: { name: 'another' } });
    const create = ['create', '--filename', '-', '--dry-run=server'];
    expect(await space.refusal([...create, `--as=${PEOPLE.view}`], creation)).toContain('forbidden');
    const elsewhere = new Namespace(access, 'default');
    expect(await elsewhere.refusal([...create, `--as=${PEOPLE.edit}`], creation)).toContain('forbidden');
    await space.remove();
  });
});
