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
].join(',');

/** Keeps what tells why something failed, in one folder of its own: logs of all programs and pods, events, objects. */
export async function collectEvidence(kubectl: string, kubeconfig = KUBECONFIG): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'synccluster-e2e-failure-'));
  if (existsSync(LOGS_DIR)) cpSync(LOGS_DIR, join(dir, 'logs'), { recursive: true });
  for (const { name } of NODES) {
    const { podLogs } = nodePaths(name);
    if (existsSync(podLogs)) cpSync(podLogs, join(dir, 'pod-logs', name), { recursive: true });
  }
  if (!existsSync(kubeconfig)) return dir;
  const keep = async (file: string, args: readonly string[]): Promise<void> => {
    const all = ['--kubeconfig', kubeconfig, '--request-timeout=10s', ...args];
    const text = await run(kubectl, all, { timeoutMs: COMMAND_TIMEOUT_MS }).catch((error: unknown) =>
      error instanceof CommandError ? error.message : String(error),
    );
    writeFileSync(join(dir, file), text);
  };
  mkdirSync(dir, { recursive: true });
  await keep('events.txt', ['get', 'events', '--all-namespaces', '--sort-by=.lastTimestamp', '-o', 'wide']);
  await keep('overview.txt', [
    'get',
    'nodes,pods,persistentvolumeclaims,services',
    '--all-namespaces',
    '-o',
    'wide',
  ]);
  await keep('objects.yaml', ['get', OBJECTS, '--all-namespaces', '-o', 'yaml']);
  return dir;
}
