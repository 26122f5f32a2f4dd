/**
 * Where the rig's Kubernetes lives. Every address is on the bridge that the rig creates, or on a loopback address of
 * its own, so that nothing else on the machine is in its way and nothing outside can reach it.
 */
export const BRIDGE = {
  name: 'synccluster0',
  /** Locally administered. */
  hardwareAddress: '02:73:63:00:00:01',
  address: '10.213.0.1',
  prefixLength: 16,
  subnet: '10.213.0.0/16',
  /** Below it are the bridge and the nodes. */
  firstPodAddress: '10.213.1.1',
  lastPodAddress: '10.213.255.254',
} as const;

export const SERVICE_RANGE = '10.214.0.0/16';
/** The first address of the range: the Service `kubernetes` in `default`. */
export const API_SERVICE_ADDRESS = '10.214.0.1';
export const CLUSTER_DOMAIN = 'cluster.local';

export const API_SERVER = { address: BRIDGE.address, port: 6443 } as const;
export const DNS_ADDRESS = BRIDGE.address;

/** For what only the control plane itself talks to. */
export const CONTROL_LOOPBACK = '127.213.0.1';
export const ETCD = {
  client: `http://${CONTROL_LOOPBACK}:2379`,
  peer: `http://${CONTROL_LOOPBACK}:2380`,
} as const;

export interface NodeSettings {
  readonly name: string;
  /** On the bridge. */
  readonly address: string;
  /** For the kubelet's health port. */
  readonly loopback: string;
  readonly zone: string;
}
export const NODES: readonly NodeSettings[] = [
  { name: 'node1', address: '10.213.0.11', loopback: '127.213.0.11', zone: 'zone-a' },
  { name: 'node2', address: '10.213.0.12', loopback: '127.213.0.12', zone: 'zone-b' },
];
export function nodeNamed(name: string): NodeSettings {
  const node = NODES.find((candidate) => candidate.name === name);
  if (node === undefined)
    throw new Error(`no node ${name}: the rig has ${NODES.map((each) => each.name).join(', ')}`);
  return node;
}

export const STORAGE_CLASS = 'local-path';
export const STORAGE_NAMESPACE = 'local-path-storage';

/** Serves as pause container and as the provisioner's helper with a shell. */
export const BUSYBOX_IMAGE = 'localhost/synccluster-e2e/busybox:1';
/** What an image of this project is built from where no image can be pulled: Debian and Node. */
export const BASE_IMAGE = 'localhost/synccluster-e2e/node:24';
