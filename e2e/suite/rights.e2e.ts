import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM_NAMESPACE } from '../kind/story.ts';
import { timedReport } from '../rig/progress.ts';
import { runningRig } from '../rig/rig.ts';
import { readAccess } from './access.ts';
import { type AuditedRequest, describeRequest, isRefused, readRequests } from './auditLog.ts';
import { type ListedObject, Namespace } from './kubernetes.ts';
import { ensureOperator, OPERATOR } from './operator.ts';
import { type Rule, rightsOf, rightsUsed } from './rights.ts';

const ACCOUNT = `system:serviceaccount:${SYSTEM_NAMESPACE}:`;
/** Whose rights are for people, who get them with the cluster's own roles. */
const AGGREGATED = 'rbac.authorization.k8s.io/aggregate-to-admin';

const report = timedReport();
const access = readAccess();
const rig = access.isRig ? runningRig() : null;
const system = new Namespace(access, SYSTEM_NAMESPACE);

interface Role extends ListedObject {
  readonly rules: readonly Rule[];
}
interface Reach extends AuditedRequest {
  readonly user: AuditedRequest['user'] & { readonly extra?: Readonly<Record<string, readonly string[]>> };
}

/** `helm test` asks as the operator's account, but is not the operator. */
function isOperator({ user }: Reach): boolean {
  return user.extra?.['authentication.kubernetes.io/pod-name']?.[0]?.endsWith('-test') !== true;
}

/** Spans of time in which the chart was not installed: an operator that ends meanwhile has lost its rights. */
function uninstalledSpans(log: string): (readonly [from: string, to: string])[] {
  const spans: [string, string][] = [];
  let from: string | null = null;
  for (const line of log.split('\n')) {
    if (!line.includes('"clusterrolebindings"') || !line.includes(`"${SYSTEM_NAMESPACE}:`)) continue;
    const { verb, requestReceivedTimestamp, responseStatus } = JSON.parse(line) as AuditedRequest;
    if ((responseStatus?.code ?? 0) >= 300) continue;
    if (verb === 'delete') from ??= requestReceivedTimestamp;
    else if (verb === 'create' && from !== null) {
      spans.push([from, requestReceivedTimestamp]);
      from = null;
    }
  }
  return spans;
}

// The last of all files: what it looks at is the whole run.
describe.skipIf(rig === null)('over all tests, the operator', () => {
  let requests: Reach[] = [];
  beforeAll(async () => {
    await ensureOperator(access, report);
    const spans = uninstalledSpans(readFileSync(rig!.auditLog, 'utf8'));
    requests = readRequests(rig!.auditLog, ACCOUNT, access.runBegan).filter(
      ({ requestReceivedTimestamp: at }) => !spans.some(([from, to]) => from <= at && at <= to),
    );
  });

  test('was refused nothing', () => {
    expect(requests.length).toBeGreaterThan(1_000);
    const refused = requests.filter(isRefused).map(describeRequest);
    report(`${requests.length} requests of the operator's account, ${refused.length} refused`);
    expect(refused).toEqual([]);
  });

  test('made use of every right that the chart gives it', async () => {
    const roles = await system.list<Role>(
      'roles.rbac.authorization.k8s.io,clusterroles.rbac.authorization.k8s.io',
      OPERATOR,
    );
    const own = roles.filter(({ metadata }) => metadata.labels?.[AGGREGATED] === undefined);
    expect(own.map(({ kind }) => kind).sort()).toEqual(['ClusterRole', 'Role']);
    const counts = new Map(rightsOf(own.flatMap(({ rules }) => rules)).map((right) => [right, 0]));
    for (const request of requests.filter(isOperator)) {
      for (const right of rightsUsed(request)) {
        const count = counts.get(right);
        if (count !== undefined) counts.set(right, count + 1);
      }
    }
    report([...counts].map(([right, count]) => `${right} ${count}`).join(' · '));
    expect([...counts].filter(([, count]) => count === 0).map(([right]) => right)).toEqual([]);
  });
});
