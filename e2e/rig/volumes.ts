import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kubeconfigOf } from './certificates.ts';
import type { Binaries } from './goBuild.ts';
import { nodePaths, STATE_DIR } from './paths.ts';
import { start } from './processes.ts';
import { BUSYBOX_IMAGE, NODES, STORAGE_CLASS, STORAGE_NAMESPACE } from './settings.ts';

const HELPER_CONFIG = 'local-path-config';
const HELPER_ACCOUNT = 'local-path-helper';
const PROVISIONER = 'rancher.io/local-path';

/** Makes a folder on the node for each claim. It cannot grow a volume: no driver that can runs without its image. */
export function startVolumeProvisioner(binaries: Binaries): void {
  const config = join(STATE_DIR, 'volume-provisioner.json');
  const paths = NODES.map(({ name }) => ({ node: name, paths: [nodePaths(name).volumes] }));
  writeFileSync(config, JSON.stringify({ nodePathMap: paths }, null, 2));
  const helperPod = join(STATE_DIR, 'volume-helper-pod.json');
  writeFileSync(helperPod, JSON.stringify(HELPER_POD, null, 2));
  start({
    name: 'local-path-provisioner',
    path: binaries['local-path-provisioner']!,
    args: [
      'start',
      `--kubeconfig=${kubeconfigOf('local-path-provisioner')}`,
      `--config=${config}`,
      `--provisioner-name=${PROVISIONER}`,
      `--namespace=${STORAGE_NAMESPACE}`,
      `--helper-image=${BUSYBOX_IMAGE}`,
      `--helper-pod-file=${helperPod}`,
      `--configmap-name=${HELPER_CONFIG}`,
      `--service-account-name=${HELPER_ACCOUNT}`,
    ],
  });
}

const HELPER_POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'helper-pod' },
  spec: {
    priorityClassName: 'system-node-critical',
    // A volume is also removed from a node that is being drained.
    tolerations: [{ operator: 'Exists' }],
    containers: [{ name: 'helper-pod', image: BUSYBOX_IMAGE, imagePullPolicy: 'Never' }],
  },
};

const metadata = { namespace: STORAGE_NAMESPACE };

/** What the provisioner needs in the cluster, and the default class of claims. */
export const VOLUME_OBJECTS: readonly unknown[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: STORAGE_NAMESPACE } },
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { ...metadata, name: HELPER_ACCOUNT } },
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { ...metadata, name: HELPER_CONFIG },
    data: {
      setup: '#!/bin/sh\nset -eu\nmkdir -m 0777 -p "$VOL_DIR"\n',
      teardown: '#!/bin/sh\nset -eu\nrm -rf "$VOL_DIR"\n',
    },
  },
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: {
      name: STORAGE_CLASS,
      annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
    },
    provisioner: PROVISIONER,
    volumeBindingMode: 'WaitForFirstConsumer',
    reclaimPolicy: 'Delete',
  },
];
