/** A program that is built from a pinned Go module: `modules/<name>/` holds its `go.mod` and `go.sum`. */
export interface Part {
  readonly name: string;
  readonly version: string;
  /** Name of the binary → package it is built from. */
  readonly binaries: Readonly<Record<string, string>>;
  /** What the linker writes into variables, beside stripping. */
  readonly linkerValues?: Readonly<Record<string, string>>;
}

const KUBERNETES_VERSION = 'v1.36.3';

/** Without a version of their own, kubectl and Helm could not parse what the server says it is. */
function versionValues(version: string): Record<string, string> {
  const [major = '', minor = ''] = version.replace(/^v/, '').split('.');
  const values: Record<string, string> = {};
  for (const variable of ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version']) {
    values[`${variable}.gitVersion`] = version;
    values[`${variable}.gitMajor`] = major;
    values[`${variable}.gitMinor`] = minor;
  }
  return values;
}

function commands(prefix: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, `${prefix}/${name}`]));
}

const KUBERNETES: Part = {
  name: 'kubernetes',
  version: KUBERNETES_VERSION,
  binaries: commands('k8s.io/kubernetes/cmd', [
    'kube-apiserver',
    'kube-controller-manager',
    'kube-scheduler',
    'kubelet',
    'kube-proxy',
    'kubectl',
  ]),
  linkerValues: versionValues(KUBERNETES_VERSION),
};

/** The quick ones first: a machine that cannot build at all says so early. */
export const PARTS: readonly Part[] = [
  {
    name: 'etcd',
    version: 'v3.7.3',
    binaries: { etcd: 'go.etcd.io/etcd/server/v3', etcdctl: 'go.etcd.io/etcd/etcdctl/v3' },
  },
  {
    name: 'containerd',
    version: 'v2.3.7',
    binaries: commands('github.com/containerd/containerd/v2/cmd', [
      'containerd',
      'containerd-shim-runc-v2',
      'ctr',
    ]),
  },
  {
    name: 'local-path-provisioner',
    version: 'v0.0.30',
    binaries: { 'local-path-provisioner': 'github.com/rancher/local-path-provisioner' },
  },
  { name: 'coredns', version: 'v1.15.0', binaries: { coredns: 'github.com/coredns/coredns' } },
  { name: 'helm', version: 'v4.3.1', binaries: { helm: 'helm.sh/helm/v4/cmd/helm' } },
  KUBERNETES,
];
