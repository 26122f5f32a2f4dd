import { canonicalJson } from '../api/hash.ts';
import type { Key } from '../api/meta.ts';
import type { Condition } from '../api/schema.ts';
import { withDefaults } from '../api/structural.ts';
import {
  SYNC_CLUSTERS,
  type SyncCluster,
  SyncClusterSpecSchema,
  type SyncClusterStatus,
} from '../api/syncCluster.ts';
import { ANNOTATIONS, clusterNames } from '../desired/names.ts';
import { type EventRecord, KubeError, type KubePort } from '../runtime/kube.ts';
import type { Logger } from '../runtime/logger.ts';
import { applyActions } from './apply.ts';
import type { MemberClient } from './memberClient.ts';
import { observeCluster, type Reader } from './observe.ts';
import type { ObservedCluster } from './observed.ts';
import { type Plan, planCluster } from './plan.ts';
import { clusterStatus } from './status.ts';

export interface ClusterReconcilerOptions {
  readonly kube: KubePort;
  /** May lag behind: every write is conditional. Default: the port itself. */
  readonly reader?: Reader;
  readonly client: MemberClient;
  readonly logger: Logger;
  readonly newClusterId: () => string;
  /** Of members of a new cluster whose spec names none. Default: the released one. */
  readonly nodeImage?: string;
  readonly now: () => Date;
  /** How soon to look again while something is under way. Default 500. */
  readonly progressingMs?: number;
  /** How soon to look again at a settled cluster. Default 5000. */
  readonly settledMs?: number;
  /** How long a leadership may be on its way before its group counts as without leader. Default 250. */
  readonly secondLookMs?: number;
}

const AFTER_STEP_MS = 100;

/** One pass over one SyncCluster; returns when to look again, in milliseconds, or null when it is gone. */
export type ClusterReconciler = (key: Key) => Promise<number | null>;

export function createClusterReconciler(options: ClusterReconcilerOptions): ClusterReconciler {
  const { kube, client, logger } = options;
  const reader = options.reader ?? kube;
  const progressingMs = options.progressingMs ?? 500;
  const settledMs = options.settledMs ?? 5000;
  const secondLookMs = options.secondLookMs ?? 250;

  return async (key) => {
    const found = await reader.get(SYNC_CLUSTERS, key);
    // Owner references do the deleting.
    if (found === null || found.metadata.deletionTimestamp !== undefined) return null;
    const cluster: SyncCluster = {
      ...found,
      spec: withDefaults(SyncClusterSpecSchema, found.spec ?? {}) as SyncCluster['spec'],
    };
    let observed = await observeCluster(reader, kube, client, cluster);
    let plan = planCluster(observed, options.nodeImage);
    if (isBetweenLeaders(cluster, plan)) {
      // Leaderships that move are seen by nobody for a moment, which is no outage to tell of.
      await new Promise((resolve) => setTimeout(resolve, secondLookMs));
      observed = await observeCluster(reader, kube, client, cluster);
      plan = planCluster(observed, options.nodeImage);
    }
    const log = logger.child({ cluster: `${key.namespace}/${key.name}` });
    // Status first: it tells what is, and a step that fails must not keep it from being told.
    const isAvailable = await writeStatus(options, cluster, plan, observed);
    const context = {
      kube,
      client,
      newClusterId: options.newClusterId,
      onPassedOver: (action: { type: string }, error: unknown) => {
        log.warn({ action: action.type, err: error }, 'passed over');
        tellRefusal(kube, cluster, error);
      },
    };
    if (plan.actions.length > 0) log.info({ actions: plan.actions.map((action) => action.type) }, 'acting');
    try {
      await applyActions(context, observed, plan.actions);
    } catch (error) {
      tellRefusal(kube, cluster, error);
      throw error;
    }
    // What a step brought about is often there at once; what may fail for good is not worth hurrying for.
    if (plan.actions.some((action) => action.type !== 'apply' || !action.mayFail))
      return Math.min(AFTER_STEP_MS, progressingMs);
    if (plan.progress?.reason === 'Applying') return settledMs;
    // People wait for what is away to come back: nothing but looking tells of it.
    return plan.progress !== null || !isAvailable ? progressingMs : settledMs;
  };
}

/** What trying again will not help, people have to know: their quota, their rights, their storage class. */
function tellRefusal(kube: KubePort, cluster: SyncCluster, error: unknown): void {
  if (!(error instanceof KubeError) || (error.code !== 'Invalid' && error.code !== 'Forbidden')) return;
  kube.event({
    regarding: cluster,
    type: 'Warning',
    reason: 'Refused',
    action: 'Apply',
    note: error.message,
  });
}

function isBetweenLeaders(cluster: SyncCluster, { view }: Plan): boolean {
  const available = cluster.status?.conditions?.find((condition) => condition.type === 'Available');
  return available?.status === 'True' && view.statuses.length > 0 && view.leaders.includes(null);
}

/** Answers whether the cluster is available. */
async function writeStatus(
  { kube, now, logger }: ClusterReconcilerOptions,
  cluster: SyncCluster,
  plan: Plan,
  observed: ObservedCluster,
): Promise<boolean> {
  const status = clusterStatus(observed, plan, now().toISOString());
  const isAvailable =
    status.conditions?.some((condition) => condition.type === 'Available' && condition.status === 'True') ??
    false;
  if (canonicalJson(status) === canonicalJson(cluster.status ?? {})) return isAvailable;
  try {
    await kube.updateStatus(SYNC_CLUSTERS, { ...cluster, status });
  } catch (error) {
    // Somebody changed the object meanwhile: the next pass, which its change brings about, tells it anew.
    if (!(error instanceof KubeError && (error.code === 'Conflict' || error.code === 'NotFound')))
      throw error;
    return isAvailable;
  }
  announce(kube, logger, cluster, status.conditions ?? []);
  announceHandled(kube, cluster, status, observed);
  return isAvailable;
}

function announceHandled(
  kube: KubePort,
  cluster: SyncCluster,
  { lastHandledRecoverFrom: value, clusterId }: SyncClusterStatus,
  { identity }: ObservedCluster,
): void {
  if (value === undefined || value === cluster.status?.lastHandledRecoverFrom) return;
  const survivor = identity?.recovery?.ordinal;
  const done = survivor !== undefined && value === clusterNames.pod(cluster.metadata.name, survivor);
  const what = done ? `cluster ${clusterId} goes on from ${value}` : 'no quorum is lost';
  kube.event({
    regarding: cluster,
    type: done ? 'Normal' : 'Warning',
    reason: done ? 'Recovered' : 'RecoveryNotNeeded',
    action: 'Recover',
    note: `${what}; annotation ${ANNOTATIONS.recoverFrom}=${value} acts no more: remove it, and set it again should a quorum be lost`,
  });
}

/** One event for each thing there is to tell, however many conditions tell it; as a warning if one of them means one. */
function announce(
  kube: KubePort,
  logger: Logger,
  cluster: SyncCluster,
  conditions: readonly Condition[],
): void {
  const told = new Map<string, EventRecord>();
  for (const condition of conditions) {
    const before = cluster.status?.conditions?.find((old) => old.type === condition.type);
    if (before?.status === condition.status && before.reason === condition.reason) continue;
    const lost = condition.type === 'Available' && condition.status === 'False' && before?.status === 'True';
    const bad = lost || (condition.type === 'Degraded' && condition.status === 'True');
    logger.info(
      {
        cluster: cluster.metadata.name,
        type: condition.type,
        status: condition.status,
        reason: condition.reason,
      },
      condition.message,
    );
    const what = `${condition.reason} ${condition.message}`;
    const earlier = told.get(what);
    if (earlier?.type === 'Warning' || (earlier !== undefined && !bad)) continue;
    told.set(what, {
      regarding: cluster,
      type: bad ? 'Warning' : 'Normal',
      reason: condition.reason,
      action: `${condition.type}${condition.status}`,
      note: condition.message,
    });
  }
  for (const event of told.values()) kube.event(event);
}
