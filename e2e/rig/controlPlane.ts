import { readFileSync, writeFileSync } from 'node:fs';
import { get as httpGet } from 'node:http';
import { Agent, get as httpsGet } from 'node:https';
import { join } from 'node:path';
import { CA_CERTIFICATE, certificateOf, keyOf, kubeconfigOf, SERVICE_ACCOUNT_KEY } from './certificates.ts';
import { waitUntil } from './condition.ts';
import type { Binaries } from './goBuild.ts';
import { AUDIT_LOG, STATE_DIR } from './paths.ts';
import { hasEnded, start } from './processes.ts';
import { API_SERVER, CLUSTER_DOMAIN, CONTROL_LOOPBACK, ETCD, SERVICE_RANGE } from './settings.ts';

const START_TIMEOUT_MS = 90_000;

export async function startEtcd(binaries: Binaries): Promise<void> {
  start({
    name: 'etcd',
    path: binaries['etcd']!,
    args: [
      '--name=rig',
      `--data-dir=${join(STATE_DIR, 'etcd')}`,
      `--listen-client-urls=${ETCD.client}`,
      `--advertise-client-urls=${ETCD.client}`,
      `--listen-peer-urls=${ETCD.peer}`,
      `--initial-advertise-peer-urls=${ETCD.peer}`,
      `--initial-cluster=rig=${ETCD.peer}`,
      // Nothing here has to survive the machine.
      '--unsafe-no-fsync',
      '--log-level=warn',
    ],
  });
  await waitUntil('etcd', () => answers(`${ETCD.client}/readyz`), {
    timeoutMs: START_TIMEOUT_MS,
    intervalMs: 50,
    hopeless: () => hasEnded('etcd'),
  });
}

export async function startApiServer(binaries: Binaries): Promise<void> {
  const auditPolicy = join(STATE_DIR, 'audit-policy.json');
  writeFileSync(auditPolicy, JSON.stringify(AUDIT_POLICY, null, 2));
  start({
    name: 'kube-apiserver',
    path: binaries['kube-apiserver']!,
    args: [
      `--etcd-servers=${ETCD.client}`,
      `--bind-address=${API_SERVER.address}`,
      `--advertise-address=${API_SERVER.address}`,
      `--secure-port=${API_SERVER.port}`,
      `--service-cluster-ip-range=${SERVICE_RANGE}`,
      `--client-ca-file=${CA_CERTIFICATE}`,
      `--tls-cert-file=${certificateOf('kube-apiserver')}`,
      `--tls-private-key-file=${keyOf('kube-apiserver')}`,
      '--authorization-mode=Node,RBAC',
      // The second one as on stricter clusters: who makes a deletion wait for what he owns has to have the right to.
      '--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement',
      '--allow-privileged=true',
      `--service-account-issuer=https://kubernetes.default.svc.${CLUSTER_DOMAIN}`,
      `--service-account-key-file=${SERVICE_ACCOUNT_KEY}`,
      `--service-account-signing-key-file=${SERVICE_ACCOUNT_KEY}`,
      // Names of nodes do not resolve here, and exec and logs would look for them first.
      '--kubelet-preferred-address-types=InternalIP',
      `--kubelet-certificate-authority=${CA_CERTIFICATE}`,
      `--kubelet-client-certificate=${certificateOf('kubelet-client')}`,
      `--kubelet-client-key=${keyOf('kubelet-client')}`,
      // Pods leave a lost node a quarter of a minute after it is known, rather than five.
      '--default-not-ready-toleration-seconds=15',
      '--default-unreachable-toleration-seconds=15',
      `--audit-policy-file=${auditPolicy}`,
      `--audit-log-path=${AUDIT_LOG}`,
      // Or it would be moved away at 100 MB, and whoever reads it would see its end alone.
      '--audit-log-maxsize=100000',
    ],
  });
  const agent = new Agent({
    ca: readFileSync(CA_CERTIFICATE),
    cert: readFileSync(certificateOf('admin')),
    key: readFileSync(keyOf('admin')),
  });
  await waitUntil(
    'the API server',
    () => answers(`https://${API_SERVER.address}:${API_SERVER.port}/readyz`, agent),
    {
      timeoutMs: START_TIMEOUT_MS,
      hopeless: () => hasEnded('kube-apiserver'),
    },
  );
}

/** Who did what: everybody's requests but those of the control plane itself, and of the tests' observer. */
const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'None', userGroups: ['system:nodes', 'system:serviceaccounts:kube-system'] },
    {
      level: 'None',
      users: [
        'system:apiserver',
        'system:kube-controller-manager',
        'system:kube-scheduler',
        'system:kube-proxy',
        'coredns',
        'local-path-provisioner',
        'observer',
      ],
    },
    { level: 'None', nonResourceURLs: ['/readyz*', '/livez*', '/healthz*', '/openapi/*', '/api*'] },
    { level: 'Metadata' },
  ],
};

export function startControllers(binaries: Binaries): void {
  start({
    name: 'kube-controller-manager',
    path: binaries['kube-controller-manager']!,
    args: [
      `--kubeconfig=${kubeconfigOf('kube-controller-manager')}`,
      `--bind-address=${CONTROL_LOOPBACK}`,
      '--leader-elect=false',
      // Each controller with its own few rights, as in a real cluster.
      '--use-service-account-credentials=true',
      `--service-account-private-key-file=${SERVICE_ACCOUNT_KEY}`,
      `--root-ca-file=${CA_CERTIFICATE}`,
      // Kubernetes takes 5 s. How long a node may be silent, 50 s, is left as it is: so its loss is known within 54 s.
      '--node-monitor-period=2s',
    ],
  });
  start({
    name: 'kube-scheduler',
    path: binaries['kube-scheduler']!,
    args: [
      `--kubeconfig=${kubeconfigOf('kube-scheduler')}`,
      `--bind-address=${CONTROL_LOOPBACK}`,
      '--leader-elect=false',
    ],
  });
}

/** Whether a GET gives 200. */
export function answers(url: string, agent?: Agent): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const get = agent === undefined ? httpGet : httpsGet;
    const request = get(url, { timeout: 2_000, ...(agent === undefined ? {} : { agent }) }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy(new Error(`${url}: no answer`)));
    request.on('error', reject);
  });
}
