import type { KubeObject, OwnerReference } from '../api/meta.ts';

/** The address every member and application knows; ports are part of the contract of the member's configuration. */
export const PORTS = { client: 7400, peer: 7401, http: 7402, admin: 7403, health: 7404 } as const;

export const LABELS = {
  name: 'app.kubernetes.io/name',
  instance: 'app.kubernetes.io/instance',
  component: 'app.kubernetes.io/component',
  managedBy: 'app.kubernetes.io/managed-by',
  partOf: 'app.kubernetes.io/part-of',
} as const;
const MANAGED_BY = 'synccluster-operator';

export const ANNOTATIONS = {
  /** On what the operator applies: hash of what it applied. */
  appliedHash: 'synccluster.io/applied-hash',
  /** On the pod template and so on pods: hash of the user's inputs to it. */
  templateHash: 'synccluster.io/template-hash',
  /** On a SyncCluster whose data is lost: the lost cluster id, to say that it may start anew, empty. */
  startAnew: 'synccluster.io/start-anew',
  /** On a SyncCluster whose quorum is lost for good: the pod whose data is to go on, alone, as a new cluster. */
  recoverFrom: 'synccluster.io/recover-from',
} as const;

export const clusterNames = {
  statefulSet: (cluster: string) => cluster,
  clientService: (cluster: string) => cluster,
  peerService: (cluster: string) => `${cluster}-peers`,
  serviceAccount: (cluster: string) => cluster,
  disruptionBudget: (cluster: string) => cluster,
  config: (cluster: string) => `${cluster}-config`,
  identity: (cluster: string) => `${cluster}-identity`,
  pod: (cluster: string, ordinal: number) => `${cluster}-${ordinal}`,
  claim: (cluster: string, ordinal: number) => `data-${cluster}-${ordinal}`,
};
export const benchmarkNames = {
  job: (benchmark: string) => `${benchmark}-bench`,
  serviceAccount: (benchmark: string) => `${benchmark}-bench`,
  role: (benchmark: string) => `${benchmark}-bench`,
  results: (benchmark: string) => `${benchmark}-results`,
};

/** Ordinal of a pod or claim of this cluster; null for any other name. */
export function ordinalOf(name: string, prefix: string): number | null {
  if (!name.startsWith(`${prefix}-`)) return null;
  const digits = name.slice(prefix.length + 1);
  return /^(0|[1-9][0-9]{0,3})$/.test(digits) ? Number(digits) : null;
}

/** What tells the pods of one cluster from all others; part of the StatefulSet's selector, so never changed. */
export function memberSelector(cluster: string): Record<string, string> {
  return { [LABELS.name]: 'synccluster', [LABELS.instance]: cluster, [LABELS.component]: 'member' };
}
export function memberLabels(cluster: string): Record<string, string> {
  return { ...memberSelector(cluster), [LABELS.managedBy]: MANAGED_BY, [LABELS.partOf]: 'synccluster' };
}
export function benchmarkLabels(benchmark: string): Record<string, string> {
  return {
    [LABELS.name]: 'synccluster',
    [LABELS.instance]: benchmark,
    [LABELS.component]: 'benchmark',
    [LABELS.managedBy]: MANAGED_BY,
    [LABELS.partOf]: 'synccluster',
  };
}

/** The object goes when its owner goes. */
export function ownedBy(owner: KubeObject): OwnerReference {
  const uid = owner.metadata.uid;
  if (uid === undefined)
    throw new Error(`${owner.kind} ${owner.metadata.name} was not read from the API server`);
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}
