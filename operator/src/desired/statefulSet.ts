import { hashOf } from '../api/hash.ts';
import type { ClaimTemplate, EnvVar, PodSpec, PodTemplate, StatefulSet } from '../api/kinds.ts';
import type { SyncCluster } from '../api/syncCluster.ts';
import { NODE_COMMAND } from './images.ts';
import { ANNOTATIONS, clusterNames, LABELS, memberLabels, memberSelector, ownedBy, PORTS } from './names.ts';
import { containerSecurity, podSecurity } from './security.ts';

/**
 * Raised only when pods made from an older template cannot go on working. Every change of it restarts every
 * member of every cluster when the operator is upgraded, so what can wait for the next change by the user waits.
 */
const TEMPLATE_REVISION = 1;
export const MEMBER_CONTAINER = 'member';
const DATA_VOLUME = 'data';
const DATA_PATH = '/data';

/** The image members are to run: what the user says, else what runs, else the operator's own choice. */
export function memberImage(cluster: SyncCluster, running: string | null, fallback: string): string {
  return cluster.spec.image ?? running ?? fallback;
}

/** Equal as long as no input of the user to the pod template changes: neither the operator nor `members` counts. */
export function templateHash(cluster: SyncCluster, image: string): string {
  const { resources, scheduling, raft, logLevel, podTemplate, storage } = cluster.spec;
  const memory = storage.medium === 'Memory' ? storage.size : null;
  return hashOf({
    revision: TEMPLATE_REVISION,
    image,
    resources,
    scheduling,
    raft,
    logLevel,
    podTemplate,
    memory,
  });
}

function environment(cluster: SyncCluster): EnvVar[] {
  const { name, namespace } = cluster.metadata;
  const { raft, logLevel } = cluster.spec;
  // All of a member's configuration stands in the template and nowhere else: a pod that comes back by itself
  // never picks up half of a change.
  return [
    { name: 'SYNCCLUSTER_POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    { name: 'SYNCCLUSTER_DATA_DIR', value: DATA_PATH },
    {
      name: 'SYNCCLUSTER_PEER_ADDRESS',
      value: `${name}-{ordinal}.${clusterNames.peerService(name)}.${namespace}.svc`,
    },
    { name: 'SYNCCLUSTER_CLIENT_PORT', value: String(PORTS.client) },
    { name: 'SYNCCLUSTER_PEER_PORT', value: String(PORTS.peer) },
    { name: 'SYNCCLUSTER_HTTP_PORT', value: String(PORTS.http) },
    { name: 'SYNCCLUSTER_ADMIN_PORT', value: String(PORTS.admin) },
    { name: 'SYNCCLUSTER_HEALTH_PORT', value: String(PORTS.health) },
    { name: 'SYNCCLUSTER_ELECTION_TIMEOUT_MS', value: String(raft.electionTimeoutMilliseconds) },
    { name: 'SYNCCLUSTER_HEARTBEAT_MS', value: String(raft.heartbeatMilliseconds) },
    { name: 'SYNCCLUSTER_SNAPSHOT_ENTRIES', value: String(raft.snapshotEntries) },
    { name: 'SYNCCLUSTER_LOG_LEVEL', value: logLevel },
  ];
}

function placement(cluster: SyncCluster): Partial<PodSpec> {
  const { topologySpread, nodeSelector, tolerations, affinity } = cluster.spec.scheduling;
  const out: Partial<PodSpec> = {};
  if (topologySpread !== 'None') {
    out.topologySpreadConstraints = ['topology.kubernetes.io/zone', 'kubernetes.io/hostname'].map(
      (topologyKey) => ({
        maxSkew: 1,
        topologyKey,
        whenUnsatisfiable: topologySpread === 'Required' ? 'DoNotSchedule' : 'ScheduleAnyway',
        labelSelector: { matchLabels: memberSelector(cluster.metadata.name) },
      }),
    );
  }
  if (nodeSelector !== undefined) out.nodeSelector = nodeSelector;
  if (tolerations !== undefined) out.tolerations = tolerations;
  if (affinity !== undefined) out.affinity = affinity;
  return out;
}

export function buildTemplate(cluster: SyncCluster, image: string): PodTemplate {
  const { name } = cluster.metadata;
  const { podTemplate, resources, storage } = cluster.spec;
  const health = (path: string, periodSeconds: number, failureThreshold: number) => ({
    httpGet: { path, port: 'health' },
    periodSeconds,
    timeoutSeconds: 2,
    failureThreshold,
  });
  return {
    metadata: {
      // The operator's own come last: a user's label must not take a pod out of its cluster.
      labels: { ...podTemplate.labels, ...memberLabels(name) },
      annotations: {
        ...podTemplate.annotations,
        [ANNOTATIONS.templateHash]: templateHash(cluster, image),
      },
    },
    spec: {
      serviceAccountName: clusterNames.serviceAccount(name),
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 30,
      securityContext: podSecurity(),
      containers: [
        {
          name: MEMBER_CONTAINER,
          image,
          command: [...NODE_COMMAND],
          env: environment(cluster),
          ports: Object.entries(PORTS).map(([portName, containerPort]) => ({
            name: portName,
            containerPort,
            protocol: 'TCP',
          })),
          resources,
          volumeMounts: [{ name: DATA_VOLUME, mountPath: DATA_PATH }],
          startupProbe: health('/livez', 1, 120),
          livenessProbe: health('/livez', 10, 6),
          readinessProbe: health('/readyz', 2, 2),
          securityContext: containerSecurity(),
          terminationMessagePolicy: 'FallbackToLogsOnError',
        },
      ],
      ...(storage.medium === 'Memory'
        ? { volumes: [{ name: DATA_VOLUME, emptyDir: { medium: 'Memory', sizeLimit: storage.size } }] }
        : {}),
      ...placement(cluster),
    },
  };
}

function claimTemplate(cluster: SyncCluster): ClaimTemplate {
  const { size, storageClassName } = cluster.spec.storage;
  return {
    metadata: { name: DATA_VOLUME, labels: memberLabels(cluster.metadata.name) },
    spec: {
      accessModes: ['ReadWriteOnce'],
      ...(storageClassName === undefined ? {} : { storageClassName }),
      resources: { requests: { storage: size } },
    },
  };
}

/**
 * Without `replicas`: those are set through the scale subresource alone, conditional on what was read, so that a
 * paused operator cannot scale a cluster back by applying what it once believed. `live` lends what is immutable,
 * and its pod template unless `template` replaces it.
 */
export function buildStatefulSet(
  cluster: SyncCluster,
  live: StatefulSet | null,
  template: PodTemplate,
): StatefulSet {
  const { name, namespace } = cluster.metadata;
  const claims = cluster.spec.storage.medium === 'Disk' ? [claimTemplate(cluster)] : [];
  const fixed = live?.spec;
  const volumeClaimTemplates = fixed === undefined ? claims : (fixed.volumeClaimTemplates ?? []);
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: {
      name: clusterNames.statefulSet(name),
      namespace,
      labels: { ...memberLabels(name), [LABELS.component]: 'member' },
      ownerReferences: [ownedBy(cluster)],
    },
    spec: {
      serviceName: fixed?.serviceName ?? clusterNames.peerService(name),
      podManagementPolicy: fixed?.podManagementPolicy ?? 'Parallel',
      updateStrategy: { type: 'OnDelete' },
      // The operator itself deletes claims, once the member is out of every group.
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      selector: fixed?.selector ?? { matchLabels: memberSelector(name) },
      template,
      ...(volumeClaimTemplates.length > 0 ? { volumeClaimTemplates } : {}),
    },
  };
}
