import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CA_CERTIFICATE, certificateOf, keyOf, kubeconfigOf } from './certificates.ts';
import type { Binaries } from './goBuild.ts';
import { nodePaths } from './paths.ts';
import { start } from './processes.ts';
import { CLUSTER_DOMAIN, DNS_ADDRESS, type NodeSettings } from './settings.ts';

export const kubeletOf = (node: string): string => `kubelet-${node}`;

export function startKubelet(node: NodeSettings, binaries: Binaries): void {
  const paths = nodePaths(node.name);
  mkdirSync(paths.kubelet, { recursive: true });
  const resolvConf = join(paths.root, 'resolv.conf');
  // Pods get the cluster's names only, whatever this machine resolves.
  writeFileSync(resolvConf, '');
  const config = join(paths.root, 'kubelet.json');
  writeFileSync(config, JSON.stringify(configuration(node, resolvConf), null, 2));
  start({
    name: kubeletOf(node.name),
    path: binaries['kubelet']!,
    args: [
      `--config=${config}`,
      `--kubeconfig=${kubeconfigOf(node.name)}`,
      `--hostname-override=${node.name}`,
      `--node-ip=${node.address}`,
      `--node-labels=topology.kubernetes.io/zone=${node.zone},topology.kubernetes.io/region=rig`,
      `--root-dir=${paths.kubelet}`,
      `--cert-dir=${join(paths.kubelet, 'pki')}`,
    ],
  });
}

function configuration(node: NodeSettings, resolvConf: string): unknown {
  const paths = nodePaths(node.name);
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: node.address,
    healthzBindAddress: node.loopback,
    readOnlyPort: 0,
    tlsCertFile: certificateOf(node.name),
    tlsPrivateKeyFile: keyOf(node.name),
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: CA_CERTIFICATE },
    },
    authorization: { mode: 'Webhook' },
    clusterDNS: [DNS_ADDRESS],
    clusterDomain: CLUSTER_DOMAIN,
    resolvConf,
    containerRuntimeEndpoint: `unix://${paths.containerdSocket}`,
    volumePluginDir: join(paths.kubelet, 'volume-plugins'),
    podLogsDir: paths.podLogs,
    serializeImagePulls: false,
    // The rig's own process has neither a delegated tree of control groups nor, on some machines, version 2 of them.
    cgroupDriver: 'cgroupfs',
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    failCgroupV1: false,
    failSwapOn: false,
    oomScoreAdj: 0,
    // kube-proxy takes its chains away in the end, but not a kubelet's.
    makeIPTablesUtilChains: false,
    localStorageCapacityIsolation: false,
    // The disk is the machine's: how full it is is no reason to delete images or evict pods.
    imageGCHighThresholdPercent: 100,
    evictionHard: {
      'memory.available': '50Mi',
      'nodefs.available': '1%',
      'nodefs.inodesFree': '1%',
      'imagefs.available': '1%',
      'imagefs.inodesFree': '1%',
    },
    // A lost node is noticed in seconds (see the controller manager's grace period), not in most of a minute.
    nodeStatusUpdateFrequency: '4s',
    nodeLeaseDurationSeconds: 12,
  };
}
