import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';

export interface ClusterAccess {
  /** File; absent: KUBECONFIG, then the pod's service account, then ~/.kube/config. */
  readonly kubeconfig?: string;
  /** Absent: the file's current one. */
  readonly context?: string;
}

const TOKEN_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/**
 * Where the API server is and how to log in. Unlike the library's default it never falls back to an unprotected
 * server on localhost: without a cluster it throws.
 */
export function loadKubeConfig(access: ClusterAccess, env: NodeJS.ProcessEnv = process.env): KubeConfig {
  const config = new KubeConfig();
  const home = join(homedir(), '.kube', 'config');
  if (access.kubeconfig !== undefined) config.loadFromFile(access.kubeconfig);
  else if (env['KUBECONFIG'] !== undefined && env['KUBECONFIG'] !== '') loadFiles(config, env['KUBECONFIG']);
  else if (env['KUBERNETES_SERVICE_HOST'] !== undefined && existsSync(TOKEN_FILE)) config.loadFromCluster();
  else if (existsSync(home)) config.loadFromFile(home);
  else throw new Error('no cluster: neither a kubeconfig nor the service account of a pod was found');
  if (access.context !== undefined) {
    if (config.getContextObject(access.context) === null) {
      const known = config.getContexts().map((context) => context.name);
      throw new Error(`context ${access.context} is not in the kubeconfig; it has ${known.join(', ')}`);
    }
    config.setCurrentContext(access.context);
  }
  if (config.getCurrentCluster() === null) throw new Error('the kubeconfig names no current cluster');
  return config;
}

/** Several files are one; the first that names a current context decides. */
function loadFiles(config: KubeConfig, paths: string): void {
  const [first = '', ...more] = paths.split(delimiter).filter((path) => path !== '');
  config.loadFromFile(first);
  for (const path of more) {
    const next = new KubeConfig();
    next.loadFromFile(path);
    config.mergeConfig(next, Boolean(config.getCurrentContext()));
  }
}

/** The namespace of the pod, or of the kubeconfig's context. */
export function ownNamespace(config: KubeConfig): string {
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace?.trim();
  return namespace === undefined || namespace === '' ? 'default' : namespace;
}
