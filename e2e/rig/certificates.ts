import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';
import { PKI_DIR } from './paths.ts';
import { API_SERVER, API_SERVICE_ADDRESS, CLUSTER_DOMAIN, CONTROL_LOOPBACK, NODES } from './settings.ts';

interface Subject {
  /** Kubernetes reads it as the user's name. */
  readonly commonName: string;
  /** Kubernetes reads it as the user's group. */
  readonly organization?: string;
  /** For a server: what its clients may call it. */
  readonly alternativeNames?: readonly string[];
}

const ADMINISTRATORS = 'system:masters';

const SUBJECTS: Readonly<Record<string, Subject>> = {
  'kube-apiserver': {
    commonName: 'kube-apiserver',
    alternativeNames: [
      `IP:${API_SERVER.address}`,
      `IP:${API_SERVICE_ADDRESS}`,
      `IP:${CONTROL_LOOPBACK}`,
      'DNS:localhost',
      'DNS:kubernetes',
      'DNS:kubernetes.default',
      'DNS:kubernetes.default.svc',
      `DNS:kubernetes.default.svc.${CLUSTER_DOMAIN}`,
    ],
  },
  'kubelet-client': { commonName: 'kube-apiserver-kubelet-client', organization: ADMINISTRATORS },
  admin: { commonName: 'admin', organization: ADMINISTRATORS },
  // For tests that look at the cluster many times a second: nobody wants to read that in the audit log.
  observer: { commonName: 'observer', organization: ADMINISTRATORS },
  'kube-controller-manager': { commonName: 'system:kube-controller-manager' },
  'kube-scheduler': { commonName: 'system:kube-scheduler' },
  'kube-proxy': { commonName: 'system:kube-proxy' },
  coredns: { commonName: 'coredns' },
  'local-path-provisioner': { commonName: 'local-path-provisioner' },
  ...Object.fromEntries(
    NODES.map(({ name, address }): [string, Subject] => [
      name,
      {
        commonName: `system:node:${name}`,
        organization: 'system:nodes',
        alternativeNames: [`IP:${address}`, `DNS:${name}`],
      },
    ]),
  ),
};

export const CA_CERTIFICATE = join(PKI_DIR, 'ca.crt');
const CA_KEY = join(PKI_DIR, 'ca.key');
/** The controller manager signs tokens of service accounts with it, the API server verifies them. */
export const SERVICE_ACCOUNT_KEY = join(PKI_DIR, 'service-account.key');
export const certificateOf = (name: string): string => join(PKI_DIR, `${name}.crt`);
export const keyOf = (name: string): string => join(PKI_DIR, `${name}.key`);

// Otherwise the extensions of the machine's own configuration would be added to those asked for here.
const OPENSSL_CONFIG = join(PKI_DIR, 'openssl.cnf');
const NEW_CERTIFICATE = ['req', '-x509', '-config', OPENSSL_CONFIG, '-nodes', '-days', '365'].concat([
  ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
]);

/** A certificate authority of this cluster's own and what it signs for each program. */
export async function makeCertificates(): Promise<void> {
  mkdirSync(PKI_DIR, { recursive: true, mode: 0o700 });
  writeFileSync(OPENSSL_CONFIG, '[req]\ndistinguished_name=dn\n[dn]\n');
  await run('openssl', [
    ...NEW_CERTIFICATE,
    ...['-subj', '/CN=synccluster-e2e', '-keyout', CA_KEY, '-out', CA_CERTIFICATE],
    ...['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  ]);
  await Promise.all([
    run('openssl', [
      'genpkey',
      '-algorithm',
      'RSA',
      '-pkeyopt',
      'rsa_keygen_bits:2048',
      '-out',
      SERVICE_ACCOUNT_KEY,
    ]),
    ...Object.entries(SUBJECTS).map(([name, subject]) => sign(name, subject)),
  ]);
}

function sign(name: string, { commonName, organization, alternativeNames }: Subject): Promise<string> {
  const group = organization === undefined ? '' : `/O=${organization}`;
  const usage = alternativeNames === undefined ? 'clientAuth' : 'clientAuth,serverAuth';
  const names = alternativeNames === undefined ? [] : [`subjectAltName=${alternativeNames.join(',')}`];
  const extensions = ['basicConstraints=CA:FALSE', `extendedKeyUsage=${usage}`, ...names];
  return run('openssl', [
    ...NEW_CERTIFICATE,
    ...['-CA', CA_CERTIFICATE, '-CAkey', CA_KEY, '-subj', `${group}/CN=${commonName}`],
    ...['-keyout', keyOf(name), '-out', certificateOf(name)],
    ...extensions.flatMap((extension) => ['-addext', extension]),
  ]);
}

/** Writes a kubeconfig with the named certificate in it, so that the file stands alone. */
export function writeKubeconfig(path: string, name: string): void {
  const base64 = (file: string): string => readFileSync(file).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'rig',
        cluster: {
          server: `https://${API_SERVER.address}:${API_SERVER.port}`,
          'certificate-authority-data': base64(CA_CERTIFICATE),
        },
      },
    ],
    users: [
      {
        name,
        user: {
          'client-certificate-data': base64(certificateOf(name)),
          'client-key-data': base64(keyOf(name)),
        },
      },
    ],
    contexts: [{ name: 'rig', context: { cluster: 'rig', user: name } }],
    'current-context': 'rig',
  };
  writeFileSync(path, JSON.stringify(config, null, 2), { mode: 0o600 });
}

/** The kubeconfig of a program of the rig, written when it is first asked for. */
export function kubeconfigOf(name: string): string {
  const path = join(PKI_DIR, `${name}.kubeconfig`);
  writeKubeconfig(path, name);
  return path;
}
