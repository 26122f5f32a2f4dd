import type { ConfigMap, PersistentVolumeClaim, Pod } from '../api/kinds.ts';
import {
  CLAIMS,
  CONFIG_MAPS,
  DISRUPTION_BUDGETS,
  PODS,
  SERVICE_ACCOUNTS,
  SERVICES,
  STATEFUL_SETS,
} from '../api/kinds.ts';
import type { Key, KubeObject, Resource } from '../api/meta.ts';
import type { SyncCluster } from '../api/syncCluster.ts';
import { ANNOTATIONS, clusterNames, memberSelector, ordinalOf, PORTS } from '../desired/names.ts';
import type { KubePort } from '../runtime/kube.ts';
import type { MemberClient } from './memberClient.ts';
import type {
  ClusterIdentity,
  ObservedCluster,
  ObservedMember,
  ObservedPod,
  RecoveryRecord,
} from './observed.ts';
import { ownedKey } from './plan.ts';

/** What a pass reads with; a cache in front of the port may serve it, for every write is conditional. */
export type Reader = Pick<KubePort, 'get' | 'list'>;

/** Claims that can exist without their pod: those of the largest cluster there can be. */
const MOST_MEMBERS = 5;

export async function observeCluster(
  reader: Reader,
  live: Reader,
  client: MemberClient,
  cluster: SyncCluster,
): Promise<ObservedCluster> {
  const { name, namespace } = cluster.metadata;
  const key = (objectName: string): Key => ({ namespace, name: objectName });
  const labels = memberSelector(name);
  const [cached, foundSet, podList, claimList, owned] = await Promise.all([
    reader.get(CONFIG_MAPS, key(clusterNames.identity(name))),
    reader.get(STATEFUL_SETS, key(clusterNames.statefulSet(name))),
    reader.list(PODS, { namespace, labels }),
    reader.list(CLAIMS, { namespace, labels }),
    readOwned(reader, cluster),
  ]);
  // A cache that is behind, or that filters by label, must not make a cluster look as if it had never been.
  const identityMap = cached ?? (await live.get(CONFIG_MAPS, key(clusterNames.identity(name))));
  const statefulSet = foundSet ?? (await live.get(STATEFUL_SETS, key(clusterNames.statefulSet(name))));
  const claimObjects = new Map(
    claimList.items
      .filter((claim) => claimOrdinal(cluster, claim) !== null)
      .map((claim) => [claim.metadata.name, claim]),
  );
  if (identityMap !== null) owned.set(ownedKey(identityMap.kind, identityMap.metadata.name), identityMap);
  if (identityMap === null) {
    const names = Array.from({ length: MOST_MEMBERS }, (_, ordinal) => clusterNames.claim(name, ordinal));
    const found = await Promise.all(names.map((claim) => live.get(CLAIMS, key(claim))));
    for (const claim of found) if (claim !== null) claimObjects.set(claim.metadata.name, claim);
  }
  const pods = podList.items
    .map((pod) => observePod(cluster, pod))
    .filter((pod): pod is ObservedPod => pod !== null)
    .sort((a, b) => a.ordinal - b.ordinal);
  const claims = [...claimObjects.values()]
    .map((claim) => ({
      ordinal: claimOrdinal(cluster, claim) ?? 0,
      name: claim.metadata.name,
      uid: claim.metadata.uid ?? '',
      bound: claim.status?.phase === 'Bound' || claim.spec.volumeName !== undefined,
      terminating: claim.metadata.deletionTimestamp !== undefined,
    }))
    .sort((a, b) => a.ordinal - b.ordinal);
  const members = await Promise.all(pods.map((pod) => observeMember(client, pod)));
  return {
    cluster,
    statefulSet,
    identity: readIdentity(identityMap),
    pods,
    claims,
    members,
    owned,
    liveClaims: claimObjects,
  };
}

async function readOwned(reader: Reader, cluster: SyncCluster): Promise<Map<string, KubeObject>> {
  const { name, namespace } = cluster.metadata;
  const wanted: [Resource<KubeObject>, string][] = [
    [SERVICE_ACCOUNTS, clusterNames.serviceAccount(name)],
    [CONFIG_MAPS, clusterNames.config(name)],
    [SERVICES, clusterNames.peerService(name)],
    [SERVICES, clusterNames.clientService(name)],
    [DISRUPTION_BUDGETS, clusterNames.disruptionBudget(name)],
  ];
  const found = await Promise.all(
    wanted.map(([resource, objectName]) => reader.get(resource, { namespace, name: objectName })),
  );
  return new Map(
    found.flatMap((object) =>
      object === null ? [] : [[ownedKey(object.kind, object.metadata.name), object]],
    ),
  );
}

function claimOrdinal(cluster: SyncCluster, claim: PersistentVolumeClaim): number | null {
  return ordinalOf(claim.metadata.name, `data-${cluster.metadata.name}`);
}

function readIdentity(map: ConfigMap | null): ClusterIdentity | null {
  const clusterId = map?.data?.['clusterId'];
  if (map === null) return null;
  // Written whole and immutable by the operator, so anything else was made by hand; guessing could lose data.
  if (clusterId === undefined || clusterId === '') {
    throw new Error(
      `ConfigMap ${map.metadata.name} has no clusterId; restore it, or delete it to adopt the volumes`,
    );
  }
  const founder = map.data?.['founder'];
  return {
    uid: map.metadata.uid ?? '',
    clusterId,
    founder: founder === undefined ? null : Number(founder),
    recovery: readRecovery(map),
  };
}

function readRecovery({ data }: ConfigMap): RecoveryRecord | null {
  const from = data?.['recoveredFrom'];
  if (from === undefined) return null;
  return { from, memberId: Number(data?.['survivor']), ordinal: Number(data?.['survivorOrdinal']) };
}

const HOPELESS = new Set([
  'CrashLoopBackOff',
  'ImagePullBackOff',
  'ErrImagePull',
  'InvalidImageName',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
]);

function observePod(cluster: SyncCluster, pod: Pod): ObservedPod | null {
  const ordinal = ordinalOf(pod.metadata.name, cluster.metadata.name);
  if (ordinal === null) return null;
  const status = pod.status ?? {};
  const running = status.phase === 'Running';
  const isTrue = (type: string): boolean =>
    status.conditions?.find((condition) => condition.type === type)?.status === 'True';
  const ready = running && isTrue('Ready');
  const containersReady = running && isTrue('ContainersReady');
  const gates = pod.spec.readinessGates ?? [];
  return {
    ordinal,
    name: pod.metadata.name,
    uid: pod.metadata.uid ?? '',
    ip: status.podIP === undefined || status.podIP === '' ? null : status.podIP,
    adminPort: adminPortOf(pod),
    ready,
    containersReady,
    // A kubelet makes it ready when its containers and gates are; where a node is silent, the control plane takes that
    // one condition away.
    cutOff: !ready && containersReady && gates.every(({ conditionType }) => isTrue(conditionType)),
    terminating: pod.metadata.deletionTimestamp !== undefined,
    templateHash: pod.metadata.annotations?.[ANNOTATIONS.templateHash] ?? '',
    stuck: whyStuck(pod),
  };
}

function adminPortOf(pod: Pod): number {
  const ports = pod.spec.containers.flatMap((container) => container.ports ?? []);
  return ports.find((port) => port.name === 'admin')?.containerPort ?? PORTS.admin;
}

function whyStuck(pod: Pod): string | null {
  if (pod.status?.phase === 'Failed') return `its pod failed: ${pod.status.reason ?? 'no reason given'}`;
  for (const { state } of pod.status?.containerStatuses ?? []) {
    const waiting = state?.waiting;
    if (waiting?.reason !== undefined && HOPELESS.has(waiting.reason)) {
      return `${waiting.reason}${waiting.message === undefined ? '' : `: ${waiting.message}`}`;
    }
  }
  const scheduled = pod.status?.conditions?.find((condition) => condition.type === 'PodScheduled');
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable') {
    return `no node for it: ${scheduled.message ?? ''}`;
  }
  return null;
}

/** Where the operator reaches a member: its pod's address, since names of new pods resolve late. */
export function adminAddress(pod: ObservedPod): string | null {
  if (pod.ip === null) return null;
  return `${pod.ip.includes(':') ? `[${pod.ip}]` : pod.ip}:${pod.adminPort}`;
}

async function observeMember(client: MemberClient, pod: ObservedPod): Promise<ObservedMember> {
  const address = adminAddress(pod);
  if (address === null) return { ordinal: pod.ordinal, identity: null, status: null };
  const [identity, status] = await Promise.all([
    client.identity(address).catch(() => null),
    client.status(address).catch(() => null),
  ]);
  // Another member's answer (an address given away again) is no answer.
  if (identity === null || identity.ordinal !== pod.ordinal)
    return { ordinal: pod.ordinal, identity: null, status: null };
  return { ordinal: pod.ordinal, identity, status: status?.memberId === identity.memberId ? status : null };
}
