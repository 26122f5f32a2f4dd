import type { KubeObject, Resource } from '../api/meta.ts';
import type { RosterTarget } from './memberApi.ts';
import type { RecoveryRecord } from './observed.ts';

export interface RosterChange {
  readonly memberId: number;
  readonly ordinal: number;
  readonly target: RosterTarget;
}
/**
 * One step. Every step that could do harm when late carries what it was decided by (resourceVersion, uid, roster
 * version, member id), and the other side refuses it when that no longer holds.
 */
export type Action =
  | {
      readonly type: 'apply';
      readonly resource: Resource<KubeObject>;
      readonly object: KubeObject;
      readonly mayFail: boolean;
    }
  | {
      readonly type: 'delete';
      readonly resource: Resource<KubeObject>;
      readonly name: string;
      readonly uid: string;
      readonly why: string;
    }
  | {
      readonly type: 'scale';
      readonly replicas: number;
      readonly from: number;
      readonly resourceVersion: string;
      readonly why: string;
    }
  | { readonly type: 'createIdentity'; readonly adopt: string | null; readonly founder: number | null }
  | {
      readonly type: 'discardIdentity';
      readonly uid: string;
      readonly clusterId: string;
      readonly why: string;
    }
  /** A new cluster id in place of that of a lost cluster, with whose data it goes on from. */
  | {
      readonly type: 'replaceIdentity';
      readonly uid: string;
      readonly recovery: RecoveryRecord;
      readonly why: string;
    }
  /** The cluster that was to be given up lives. */
  | {
      readonly type: 'restoreIdentity';
      readonly uid: string;
      readonly clusterId: string;
      readonly why: string;
    }
  | {
      readonly type: 'recover';
      readonly ordinal: number;
      readonly memberId: number;
      readonly from: string;
      readonly to: string;
    }
  | {
      readonly type: 'bootstrap';
      readonly ordinal: number;
      readonly clusterId: string;
      readonly shards: number;
    }
  | {
      readonly type: 'changeRoster';
      readonly expectedVersion: number;
      readonly changes: readonly RosterChange[];
      readonly why: string;
    }
  | { readonly type: 'handover'; readonly ordinal: number; readonly why: string }
  | { readonly type: 'reset'; readonly ordinal: number; readonly memberId: number; readonly why: string }
  | { readonly type: 'deletePod'; readonly name: string; readonly uid: string; readonly why: string };

export type ProgressReason =
  | 'Applying'
  | 'Creating'
  | 'Founding'
  | 'Recovering'
  | 'ScalingUp'
  | 'ScalingDown'
  | 'Promoting'
  | 'Repairing'
  | 'Restarting';
export type BlockedReason =
  | 'WaitingForVolumes'
  | 'ConflictingData'
  | 'ForeignData'
  | 'DataLost'
  | 'MembersUnreachable'
  | 'NoLeader'
  | 'RecoveryBlocked'
  | 'ScaleDownBlocked'
  | 'RepairBlocked'
  | 'RestartBlocked';
/** What a part of the plan wants done now, what it waits for, and what it cannot do. */
export interface Step {
  readonly actions: readonly Action[];
  readonly progress: { readonly reason: ProgressReason; readonly message: string } | null;
  readonly blocked: { readonly reason: BlockedReason; readonly message: string } | null;
}
export const NOTHING: Step = { actions: [], progress: null, blocked: null };
export function doing(reason: ProgressReason, message: string, ...actions: Action[]): Step {
  return { actions, progress: { reason, message }, blocked: null };
}
export function blocked(reason: BlockedReason, message: string): Step {
  return { actions: [], progress: null, blocked: { reason, message } };
}
