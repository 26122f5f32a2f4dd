import { cpSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError, run } from './command.ts';
import { KUBECONFIG, LOGS_DIR, nodePaths } from './paths.ts';
import { NODES } from './settings.ts';

const COMMAND_TIMEOUT_MS = 30_000;
const OBJECTS = [
  'nodes,persistentvolumes,persistentvolumeclaims,pods,services,endpointslices,statefulsets,jobs,poddisruptionbudgets',
  'deployments,configmaps,leases.coordination.k8s.io,networkpolicies,serviceaccounts,customresourcedefinitions',
  'roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io',
  'clusterroles.rbac.authorization.k8s.io,clusterrolebindings.rbac.authorization.k8s.io',
].join(',');
/** Asked for apart: where they are not defined, nothing at all would be printed. */
const OWN_OBJECTS = 'syncclusters.synccluster.io,syncbenchmarks.synccluster.io';
/** On a cluster that is somebody else's no other logs are kept. */
const OWN_NAMESPACE = /^synccluster-/;

/** Keeps what tells why something failed, in one folder of its own: logs of all programs and pods, events, objects. */
export async function collectEvidence(kubectl: string, kubeconfig = KUBECONFIG): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'synccluster-e2e-failure-'));
  const isRig = kubeconfig === KUBECONFIG;
  if (isRig) keepLogsOfRig(dir);
  if (!existsSync(kubeconfig)) return dir;
  const ask = (args: readonly string[]): Promise<string> =>
    run(kubectl, ['--kubeconfig', kubeconfig, '--request-timeout=10s', ...args], {
      timeoutMs: COMMAND_TIMEOUT_MS,
    });
  const keep = async (file: string, args: readonly string[]): Promise<void> => {
    const text = await ask(args).catch((error: unknown) =>
      error instanceof CommandError ? error.message : String(error),
    );
    writeFileSync(join(dir, file), text);
  };
  await keep('events.txt', ['get', 'events', '--all-namespaces', '--sort-by=.lastTimestamp', '-o', 'wide']);
  await keep('overview.txt', [
    'get',
    'nodes,pods,persistentvolumeclaims,services',
    '--all-namespaces',
    '-o',
    'wide',
  ]);
  await keep('objects.yaml', ['get', OBJECTS, '--all-namespaces', '-o', 'yaml']);
  await keep('own-objects.yaml', ['get', OWN_OBJECTS, '--all-namespaces', '-o', 'yaml']);
  if (isRig) return dir;
  const named = '{range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}';
  const pods = await ask(['get', 'pods', '--all-namespaces', '-o', `jsonpath=${named}`]).catch(() => '');
  mkdirSync(join(dir, 'pod-logs'));
  for (const line of pods.split('\n')) {
    const [namespace = '', pod = ''] = line.split(' ');
    if (!OWN_NAMESPACE.test(namespace)) continue;
    const logs = ['logs', '--namespace', namespace, pod, '--all-containers', '--timestamps'];
    await keep(`pod-logs/${namespace}_${pod}.log`, logs);
    // Most have never been restarted.
    const before = await ask([...logs, '--previous']).catch(() => '');
    if (before !== '') writeFileSync(join(dir, `pod-logs/${namespace}_${pod}.before-restart.log`), before);
  }
  return dir;
}

/** Of all programs, and of pods that the API server may not be there to give. */
function keepLogsOfRig(dir: string): void {
  if (existsSync(LOGS_DIR)) cpSync(LOGS_DIR, join(dir, 'logs'), { recursive: true });
  for (const { name } of NODES) {
    const { podLogs } = nodePaths(name);
    if (existsSync(podLogs)) cpSync(podLogs, join(dir, 'pod-logs', name), { recursive: true });
  }
}
