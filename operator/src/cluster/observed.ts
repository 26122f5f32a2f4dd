import type { PersistentVolumeClaim, StatefulSet } from '../api/kinds.ts';
import type { KubeObject } from '../api/meta.ts';
import type { SyncCluster } from '../api/syncCluster.ts';
import type { MemberIdentity, MemberStatus } from './memberApi.ts';

export interface ObservedPod {
  readonly ordinal: number;
  readonly name: string;
  readonly uid: string;
  readonly ip: string | null;
  /** Of its admin listener, as the pod declares it. */
  readonly adminPort: number;
  readonly ready: boolean;
  /** When its node was last heard of. */
  readonly containersReady: boolean;
  /** Its node is not heard of: what has become of containers that were ready, Kubernetes does not know. */
  readonly cutOff: boolean;
  readonly terminating: boolean;
  /** Of the template it was made from; empty when unknown. */
  readonly templateHash: string;
  /** Why it cannot run at all (crash loop, no image, no node), as far as Kubernetes says so. */
  readonly stuck: string | null;
}
interface ObservedClaim {
  readonly ordinal: number;
  readonly name: string;
  readonly uid: string;
  /** A volume exists behind it, so it may hold data. */
  readonly bound: boolean;
  readonly terminating: boolean;
}
export interface ObservedMember {
  readonly ordinal: number;
  /** Null: it did not answer. */
  readonly identity: MemberIdentity | null;
  /** Null: not admitted to a cluster, or it did not answer. */
  readonly status: MemberStatus | null;
}
export interface ClusterIdentity {
  readonly uid: string;
  readonly clusterId: string;
  /** Member id of the empty volume that was to be founded; null: adopted from volumes. */
  readonly founder: number | null;
  /** Non-null: this id was made to go on from one survivor of a lost cluster. */
  readonly recovery: RecoveryRecord | null;
}
export interface RecoveryRecord {
  /** Id of the lost cluster. */
  readonly from: string;
  /** The survivor. */
  readonly memberId: number;
  readonly ordinal: number;
}
/** All that a pass knows. Read anew each time: no step depends on what an earlier pass remembers. */
export interface ObservedCluster {
  readonly cluster: SyncCluster;
  readonly statefulSet: StatefulSet | null;
  readonly identity: ClusterIdentity | null;
  readonly pods: readonly ObservedPod[];
  readonly claims: readonly ObservedClaim[];
  readonly members: readonly ObservedMember[];
  /** Live objects of the desired ones and the identity, by `kind/name`. */
  readonly owned: ReadonlyMap<string, KubeObject>;
  /** Live claims, by name. */
  readonly liveClaims: ReadonlyMap<string, PersistentVolumeClaim>;
}
