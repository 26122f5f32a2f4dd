import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** The folder `e2e/` of the checkout, whether this runs as source or compiled into `e2e/dist/`. */
const E2E_ROOT = join(import.meta.dirname, import.meta.dirname.includes('/dist/') ? '../..' : '..');
export const MODULES_DIR = join(E2E_ROOT, 'rig/modules');

/** What is worth keeping between runs: binaries and images. Outside the checkout. */
export function cacheDir(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'synccluster-e2e');
}

/**
 * Everything of the running cluster, gone after it ends. One fixed folder: bridge and addresses are fixed too, so a
 * machine has one rig, and any checkout can find it and end it. Short, because sockets in it have to fit 108 bytes.
 */
export const STATE_DIR = '/var/lib/synccluster-e2e';
export const LOCK_FILE = join(dirname(STATE_DIR), 'synccluster-e2e.lock');
export const LOGS_DIR = join(STATE_DIR, 'logs');
export const PROCESSES_DIR = join(STATE_DIR, 'processes');
export const PKI_DIR = join(STATE_DIR, 'pki');
export const KUBECONFIG = join(STATE_DIR, 'kubeconfig');
export const AUDIT_LOG = join(LOGS_DIR, 'audit.log');

export interface NodePaths {
  readonly root: string;
  readonly containerd: string;
  readonly containerdRun: string;
  readonly containerdSocket: string;
  readonly runcRoot: string;
  readonly kubelet: string;
  readonly podLogs: string;
  readonly volumes: string;
}
export function nodePaths(node: string): NodePaths {
  const root = join(STATE_DIR, node);
  return {
    root,
    containerd: join(root, 'containerd'),
    containerdRun: join(root, 'run'),
    containerdSocket: join(root, 'containerd.sock'),
    runcRoot: join(root, 'runc'),
    kubelet: join(root, 'kubelet'),
    podLogs: join(root, 'pod-logs'),
    volumes: join(root, 'volumes'),
  };
}
