/** The subset of Kubernetes object metadata that SyncCluster reads or writes. */
export interface ObjectMeta {
  name: string;
  namespace: string;
  uid?: string;
  resourceVersion?: string;
  /** Raised by the server when the spec changes. */
  generation?: number;
  creationTimestamp?: string;
  /** Set while a foreground deletion waits for dependents. */
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
}
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}
/** Names a kind on the API server. */
export interface Resource<T extends KubeObject> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  /** Carries the type only; never set. */
  readonly type?: T;
}
export interface Key {
  readonly namespace: string;
  readonly name: string;
}
