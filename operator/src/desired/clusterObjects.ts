import type {
  ConfigMap,
  PersistentVolumeClaim,
  PodDisruptionBudget,
  Service,
  ServiceAccount,
} from '../api/kinds.ts';
import { parseQuantity } from '../api/quantity.ts';
import type { SyncCluster } from '../api/syncCluster.ts';
import { clusterNames, memberLabels, memberSelector, ownedBy, PORTS } from './names.ts';

function metadata(cluster: SyncCluster, name: string) {
  return {
    name,
    namespace: cluster.metadata.namespace,
    labels: memberLabels(cluster.metadata.name),
    ownerReferences: [ownedBy(cluster)],
  };
}

/** Members never call the API server: the account exists to have no rights. */
export function buildServiceAccount(cluster: SyncCluster): ServiceAccount {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: metadata(cluster, clusterNames.serviceAccount(cluster.metadata.name)),
    automountServiceAccountToken: false,
  };
}

/** Where and how applications reach the cluster, to be mounted or read by them. */
export function buildConfig(cluster: SyncCluster): ConfigMap {
  const { name, namespace } = cluster.metadata;
  const host = `${clusterNames.clientService(name)}.${namespace}.svc`;
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: metadata(cluster, clusterNames.config(name)),
    data: {
      endpoint: `${host}:${PORTS.client}`,
      http: `http://${host}:${PORTS.http}`,
      shards: String(cluster.spec.shards),
    },
  };
}

function ports(...names: (keyof typeof PORTS)[]) {
  return names.map((name) => ({ name, port: PORTS[name], targetPort: name, protocol: 'TCP' }));
}

/** Names of the members for each other, from before they are ready: they could not become ready otherwise. */
export function buildPeerService(cluster: SyncCluster): Service {
  const { name } = cluster.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(cluster, clusterNames.peerService(name)),
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: memberSelector(name),
      ports: ports('client', 'peer', 'http', 'admin', 'health'),
    },
  };
}

/** Ready members only. */
export function buildClientService(cluster: SyncCluster): Service {
  const { name } = cluster.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(cluster, clusterNames.clientService(name)),
    spec: { type: 'ClusterIP', selector: memberSelector(name), ports: ports('client', 'http') },
  };
}

/** Null for one member: a budget that can never be met would block every drain. */
export function buildDisruptionBudget(cluster: SyncCluster): PodDisruptionBudget | null {
  if (cluster.spec.members === 1) return null;
  const { name } = cluster.metadata;
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: metadata(cluster, clusterNames.disruptionBudget(name)),
    spec: { maxUnavailable: 1, selector: { matchLabels: memberSelector(name) } },
  };
}

/**
 * The one record that this cluster exists, created before it is founded and never changed. `founder` is the id that
 * the empty volume of ordinal 0 had then: as long as a volume with that id reports empty, nothing was ever
 * founded; once it is gone and every volume is empty, data was lost. Null: the cluster was found on volumes.
 */
/** `recovery`: the lost cluster whose data, as that member has it, goes on under this id. */
export function buildIdentity(
  cluster: SyncCluster,
  clusterId: string,
  founder: number | null,
  recovery: { readonly from: string; readonly memberId: number; readonly ordinal: number } | null = null,
): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: metadata(cluster, clusterNames.identity(cluster.metadata.name)),
    immutable: true,
    data: {
      clusterId,
      ...(founder === null ? {} : { founder: String(founder) }),
      ...(recovery === null
        ? {}
        : {
            recoveredFrom: recovery.from,
            survivor: String(recovery.memberId),
            survivorOrdinal: String(recovery.ordinal),
          }),
    },
  };
}

/** A claim that is larger already, by another's hand, is left so: volumes cannot shrink. */
function atLeast(size: string, live: string | undefined): string {
  return live !== undefined && (parseQuantity(live) ?? 0) > (parseQuantity(size) ?? 0) ? live : size;
}

/** The part of a live claim that the operator owns: its size, and whether it goes with the cluster. */
export function buildClaim(cluster: SyncCluster, live: PersistentVolumeClaim): PersistentVolumeClaim {
  const { size, retention } = cluster.spec.storage;
  const meta = metadata(cluster, live.metadata.name);
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: meta.name,
      namespace: meta.namespace,
      labels: meta.labels,
      // Not a controller: the claim is made by the StatefulSet.
      ownerReferences:
        retention.whenDeleted === 'Delete'
          ? [{ ...ownedBy(cluster), controller: false, blockOwnerDeletion: false }]
          : [],
    },
    spec: { resources: { requests: { storage: atLeast(size, live.spec.resources?.requests.storage) } } },
  };
}
