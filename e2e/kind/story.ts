import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '../images/build.ts';
import { run } from '../rig/command.ts';
import type { Report } from '../rig/progress.ts';

/** How a cluster is reached; nothing below cares which one it is. */
export interface ClusterAccess {
  readonly kubeconfig: string;
  /** Programs, by name or path. */
  readonly kubectl: string;
  readonly helm: string;
}

const RELEASE = 'synccluster';
/** Where the chart is installed. */
export const SYSTEM_NAMESPACE = 'synccluster-system';
const CHART = join(ROOT, 'charts/synccluster');

function kubectl(access: ClusterAccess, ...args: string[]): Promise<string> {
  return run(access.kubectl, ['--kubeconfig', access.kubeconfig, ...args]);
}
function helm(access: ClusterAccess, ...args: string[]): Promise<string> {
  return run(access.helm, [...args, '--kubeconfig', access.kubeconfig, '--namespace', SYSTEM_NAMESPACE]);
}

/** Installs the chart or upgrades to it, waits until it runs, and has it test itself. */
export async function installOperator(
  access: ClusterAccess,
  values: readonly string[],
  report: Report,
): Promise<void> {
  await releaseChart(access, values, report);
  report(`helm test ${RELEASE}`);
  await helm(access, 'test', RELEASE, '--timeout', '3m');
}

/** Installs the chart or upgrades to it with these values alone, and waits until it runs. */
export async function releaseChart(
  access: ClusterAccess,
  values: readonly string[],
  report: Report,
): Promise<void> {
  report(`helm upgrade --install ${RELEASE} charts/synccluster`);
  const set = values.flatMap((value) => ['--set', value]);
  await helm(
    access,
    'upgrade',
    '--install',
    RELEASE,
    CHART,
    '--create-namespace',
    '--reset-values',
    ...set,
    '--wait',
    '--timeout',
    '3m',
  );
}

/** Applies a manifest and waits until the SyncCluster in it serves. */
export async function applyCluster(access: ClusterAccess, manifest: string, report: Report): Promise<string> {
  report(`kubectl apply -f ${manifest}`);
  const { name, namespace } = await apply(access, manifest);
  const resource = `syncclusters.synccluster.io/${name}`;
  await kubectl(access, 'wait', '-n', namespace, '--for=condition=Available', '--timeout=5m', resource);
  await kubectl(
    access,
    'wait',
    '-n',
    namespace,
    '--for=condition=Progressing=False',
    '--timeout=5m',
    resource,
  );
  return await kubectl(access, 'get', '-n', namespace, resource);
}

/** Runs a SyncBenchmark from the beginning; gives the summary that its ConfigMap holds. */
export async function runBenchmark(access: ClusterAccess, manifest: string, report: Report): Promise<string> {
  report(`kubectl apply -f ${manifest}`);
  // One that has ended never starts again, and what it is to do cannot be changed.
  const file = ['--filename', join(ROOT, manifest)];
  await kubectl(access, 'delete', '--ignore-not-found', '--cascade=foreground', '--timeout=2m', ...file);
  const { name, namespace } = await apply(access, manifest);
  const resource = `syncbenchmarks.synccluster.io/${name}`;
  const deadline = performance.now() + 30 * 60_000;
  let told = '';
  for (;;) {
    const complete = await completeCondition(access, namespace, resource);
    const state = `${complete.reason}${complete.message === '' ? '' : `: ${complete.message}`}`;
    if (state !== told) report(`${name}: ${state}`);
    told = state;
    if (complete.status === 'True') {
      if (complete.reason !== 'Succeeded') throw new Error(`${name} ended as ${state}`);
      return await kubectl(
        access,
        'get',
        '-n',
        namespace,
        'configmap',
        `${name}-results`,
        '--output',
        'jsonpath={.data.summary\\.md}',
      );
    }
    if (performance.now() > deadline) throw new Error(`${name} did not end within 30 minutes`);
    await sleep(1_000);
  }
}

interface Condition {
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

async function completeCondition(
  access: ClusterAccess,
  namespace: string,
  resource: string,
): Promise<Condition> {
  const text = await kubectl(access, 'get', '-n', namespace, resource, '--output', 'json');
  const { status } = JSON.parse(text) as { status?: { conditions?: ({ type: string } & Condition)[] } };
  const found = status?.conditions?.find(({ type }) => type === 'Complete');
  return found ?? { status: 'Unknown', reason: 'Pending', message: '' };
}

/** Gives the name and the namespace that the manifest's object has. */
async function apply(
  access: ClusterAccess,
  manifest: string,
): Promise<{ readonly name: string; readonly namespace: string }> {
  const text = await kubectl(access, 'apply', '--output', 'json', '--filename', join(ROOT, manifest));
  return (JSON.parse(text) as { metadata: { name: string; namespace: string } }).metadata;
}
