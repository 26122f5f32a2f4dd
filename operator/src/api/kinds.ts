import type { KubeObject, ObjectMeta, Resource } from './meta.ts';

/** Only the fields SyncCluster reads or writes; a live object has more, and they are left alone. */
export interface ConfigMap extends KubeObject {
  immutable?: boolean;
  data?: Record<string, string>;
  binaryData?: Record<string, string>;
}
export interface ServiceAccount extends KubeObject {
  automountServiceAccountToken?: boolean;
}
export interface Service extends KubeObject {
  spec: {
    type?: string;
    clusterIP?: string;
    publishNotReadyAddresses?: boolean;
    selector: Record<string, string>;
    ports: { name: string; port: number; targetPort: string | number; protocol?: string }[];
  };
}
export interface PodDisruptionBudget extends KubeObject {
  spec: { maxUnavailable: number; selector: LabelSelector };
}
interface LabelSelector {
  matchLabels: Record<string, string>;
}
export interface EnvVar {
  name: string;
  value?: string;
  valueFrom?: { fieldRef: { fieldPath: string } };
}
interface Probe {
  httpGet: { path: string; port: string | number };
  periodSeconds: number;
  timeoutSeconds: number;
  failureThreshold: number;
}
type Quantity = string | number;
export interface ResourceRequirements {
  requests?: Record<string, Quantity>;
  limits?: Record<string, Quantity>;
}
interface Container {
  name: string;
  image: string;
  imagePullPolicy?: string;
  command: string[];
  args?: string[];
  env?: EnvVar[];
  ports?: { name: string; containerPort: number; protocol?: string }[];
  resources?: ResourceRequirements;
  volumeMounts?: { name: string; mountPath: string }[];
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  startupProbe?: Probe;
  securityContext?: Record<string, unknown>;
  terminationMessagePolicy?: string;
}
interface Volume {
  name: string;
  emptyDir?: { medium?: string; sizeLimit?: string };
}
export interface PodSpec {
  serviceAccountName?: string;
  automountServiceAccountToken?: boolean;
  terminationGracePeriodSeconds?: number;
  restartPolicy?: string;
  securityContext?: Record<string, unknown>;
  containers: Container[];
  /** On pods alone, put there by others: conditions that have to be True before the pod is ready. */
  readinessGates?: { conditionType: string }[];
  volumes?: Volume[];
  nodeSelector?: Record<string, string>;
  tolerations?: Toleration[];
  affinity?: Record<string, unknown>;
  topologySpreadConstraints?: {
    maxSkew: number;
    topologyKey: string;
    whenUnsatisfiable: string;
    labelSelector: LabelSelector;
  }[];
}
export interface Toleration {
  key?: string;
  operator?: 'Exists' | 'Equal';
  value?: string;
  effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
  tolerationSeconds?: number;
}
interface TemplateMeta {
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}
export interface PodTemplate {
  metadata: TemplateMeta;
  spec: PodSpec;
}
export interface ClaimTemplate {
  metadata: TemplateMeta & { name: string };
  spec: ClaimSpec;
}
interface ClaimSpec {
  accessModes: string[];
  storageClassName?: string;
  resources: { requests: { storage: string } };
}
export interface StatefulSet extends KubeObject {
  spec: {
    /** Never part of what the operator applies: it is set through the scale subresource alone. Absent means 1. */
    replicas?: number;
    serviceName: string;
    podManagementPolicy: string;
    updateStrategy: { type: string };
    persistentVolumeClaimRetentionPolicy?: { whenDeleted: string; whenScaled: string };
    selector: LabelSelector;
    template: PodTemplate;
    volumeClaimTemplates?: ClaimTemplate[];
  };
  status?: { replicas?: number; readyReplicas?: number; observedGeneration?: number };
}
export interface Pod extends KubeObject {
  spec: PodSpec;
  status?: {
    phase?: string;
    podIP?: string;
    reason?: string;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
    containerStatuses?: {
      name: string;
      ready: boolean;
      restartCount: number;
      state?: {
        waiting?: { reason?: string; message?: string };
        terminated?: { exitCode?: number; reason?: string; message?: string };
      };
    }[];
  };
}
export interface PersistentVolumeClaim extends KubeObject {
  spec: Partial<ClaimSpec> & { volumeName?: string };
  status?: { phase?: string; capacity?: Record<string, string> };
}
export interface Job extends KubeObject {
  spec: {
    backoffLimit: number;
    activeDeadlineSeconds?: number;
    template: PodTemplate;
  };
  status?: {
    active?: number;
    succeeded?: number;
    failed?: number;
    startTime?: string;
    completionTime?: string;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
  };
}
export interface Role extends KubeObject {
  rules: { apiGroups: string[]; resources: string[]; resourceNames?: string[]; verbs: string[] }[];
}
export interface RoleBinding extends KubeObject {
  roleRef: { apiGroup: string; kind: string; name: string };
  subjects: { kind: string; name: string; namespace: string }[];
}
export interface CustomResourceDefinition {
  apiVersion: 'apiextensions.k8s.io/v1';
  kind: 'CustomResourceDefinition';
  metadata: Pick<ObjectMeta, 'name' | 'labels' | 'annotations'>;
  spec: {
    group: string;
    scope: 'Namespaced';
    names: {
      kind: string;
      listKind: string;
      plural: string;
      singular: string;
      shortNames: string[];
      categories?: string[];
    };
    versions: {
      name: string;
      served: boolean;
      storage: boolean;
      schema: { openAPIV3Schema: Record<string, unknown> };
      subresources: {
        status: Record<string, never>;
        scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath: string };
      };
      additionalPrinterColumns: {
        name: string;
        type: string;
        jsonPath: string;
        description: string;
        priority?: number;
      }[];
    }[];
  };
}

function resource<T extends KubeObject>(apiVersion: string, kind: string, plural: string): Resource<T> {
  return { apiVersion, kind, plural };
}
export const CONFIG_MAPS = resource<ConfigMap>('v1', 'ConfigMap', 'configmaps');
export const SERVICE_ACCOUNTS = resource<ServiceAccount>('v1', 'ServiceAccount', 'serviceaccounts');
export const SERVICES = resource<Service>('v1', 'Service', 'services');
export const PODS = resource<Pod>('v1', 'Pod', 'pods');
export const CLAIMS = resource<PersistentVolumeClaim>(
  'v1',
  'PersistentVolumeClaim',
  'persistentvolumeclaims',
);
export const STATEFUL_SETS = resource<StatefulSet>('apps/v1', 'StatefulSet', 'statefulsets');
export const DISRUPTION_BUDGETS = resource<PodDisruptionBudget>(
  'policy/v1',
  'PodDisruptionBudget',
  'poddisruptionbudgets',
);
export const JOBS = resource<Job>('batch/v1', 'Job', 'jobs');
export const ROLES = resource<Role>('rbac.authorization.k8s.io/v1', 'Role', 'roles');
export const ROLE_BINDINGS = resource<RoleBinding>(
  'rbac.authorization.k8s.io/v1',
  'RoleBinding',
  'rolebindings',
);
