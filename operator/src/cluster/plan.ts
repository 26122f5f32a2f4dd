import type { PodTemplate } from '../api/kinds.ts';
import {
  CLAIMS,
  CONFIG_MAPS,
  DISRUPTION_BUDGETS,
  SERVICE_ACCOUNTS,
  SERVICES,
  STATEFUL_SETS,
} from '../api/kinds.ts';
import type { KubeObject, Resource } from '../api/meta.ts';
import {
  buildClaim,
  buildClientService,
  buildConfig,
  buildDisruptionBudget,
  buildIdentity,
  buildPeerService,
  buildServiceAccount,
} from '../desired/clusterObjects.ts';
import { covers, isApplied, stamped } from '../desired/covers.ts';
import { RELEASED_IMAGES } from '../desired/images.ts';
import { clusterNames } from '../desired/names.ts';
import { buildStatefulSet } from '../desired/statefulSet.ts';
import { type Action, blocked, doing, NOTHING, type Step } from './actions.ts';
import { isFounded, planFounding } from './founding.ts';
import { allLeaders, type ClusterView, highestOrdinal, viewOf } from './groups.ts';
import { planMembership } from './membership.ts';
import type { ObservedCluster } from './observed.ts';
import { planRecovery } from './recovery.ts';
import { planRestart, planTemplate } from './rolling.ts';

export interface Plan {
  readonly actions: readonly Action[];
  readonly progress: Step['progress'];
  /** The most important first. */
  readonly blocked: readonly NonNullable<Step['blocked']>[];
  readonly view: ClusterView;
}

/** What is to be done now, in order, given what is. Nothing else decides: same observation, same plan. */
export function planCluster(observed: ObservedCluster, fallbackImage: string = RELEASED_IMAGES.node): Plan {
  const view = viewOf(observed);
  const founded = isFounded(observed);
  const { template, waits } = planTemplate(observed, view, fallbackImage);
  const owned = planOwned(observed, template);
  const steps: Step[] = [];
  steps.push({ ...NOTHING, actions: owned });
  if (observed.statefulSet === null) {
    steps.push({ ...NOTHING, progress: { reason: 'Creating', message: 'creating the StatefulSet' } });
  }
  // Applying the StatefulSet changes the version that scaling goes by: that waits for the next pass.
  const applying = owned.some((action) => action.type === 'apply' && action.resource === STATEFUL_SETS);
  if (!applying) steps.push(planReplicas(observed, view, founded));
  const recovery = planRecovery(observed);
  steps.push(recovery);
  const recovering = recovery.progress !== null;
  if (!recovering) steps.push(planFounding(observed));
  const membership = founded && !recovering ? planMembership(observed, view) : [];
  steps.push(...membership);
  const settled =
    founded && !recovering && membership.every((step) => step.progress === null && step.blocked === null);
  // A template still to be written in this pass is not yet what pods are compared with.
  const templateKept = template === observed.statefulSet?.spec.template;
  if (templateKept) steps.push(planRestart(observed, view, settled));
  if (waits !== null) steps.push(blocked('RestartBlocked', waits));
  if (founded) steps.push({ ...NOTHING, actions: planUnusedClaims(observed, view) });
  const actions = steps.flatMap((step) => step.actions);
  return {
    actions,
    // Something to do is progress, whoever wants it: no pass with actions may tell that the cluster is settled.
    progress:
      recovery.progress ?? steps.find((step) => step.progress !== null)?.progress ?? progressOf(actions),
    blocked: steps.flatMap((step) => (step.blocked === null ? [] : [step.blocked])),
    view,
  };
}

function progressOf(actions: readonly Action[]): Step['progress'] {
  const names = actions.flatMap((action) => {
    if (action.type === 'apply') return [`${action.resource.kind} ${action.object.metadata.name}`];
    return action.type === 'delete' ? [`${action.resource.kind} ${action.name}`] : [];
  });
  if (actions.length === 0) return null;
  return { reason: 'Applying', message: `changing ${names.join(', ') || 'the cluster'}` };
}

export function ownedKey(kind: string, name: string): string {
  return `${kind}/${name}`;
}

function planOwned(observed: ObservedCluster, template: PodTemplate): Action[] {
  const { cluster, owned, liveClaims } = observed;
  const actions: Action[] = [];
  const want = <T extends KubeObject>(resource: Resource<T>, object: T) => {
    const desired = stamped(object);
    const current = owned.get(ownedKey(object.kind, object.metadata.name)) ?? null;
    if (!isApplied(current, desired))
      actions.push({ type: 'apply', resource, object: desired, mayFail: false });
  };
  want(SERVICE_ACCOUNTS, buildServiceAccount(cluster));
  want(CONFIG_MAPS, buildConfig(cluster));
  want(SERVICES, buildPeerService(cluster));
  want(SERVICES, buildClientService(cluster));
  actions.push(...planIdentityOwner(observed));
  actions.push(...planStatefulSet(observed, template));
  const budget = buildDisruptionBudget(cluster);
  if (budget !== null) {
    want(DISRUPTION_BUDGETS, budget);
  } else {
    const name = clusterNames.disruptionBudget(cluster.metadata.name);
    const uid = owned.get(ownedKey(DISRUPTION_BUDGETS.kind, name))?.metadata.uid;
    if (uid !== undefined) {
      actions.push({
        type: 'delete',
        resource: DISRUPTION_BUDGETS,
        name,
        uid,
        why: 'one member has no budget to spend',
      });
    }
  }
  for (const claim of liveClaims.values()) {
    if (claim.metadata.deletionTimestamp !== undefined) continue;
    const desired = stamped(buildClaim(cluster, claim));
    // A class that cannot grow volumes refuses; the cluster goes on with what it has.
    if (!isApplied(claim, desired))
      actions.push({ type: 'apply', resource: CLAIMS, object: desired, mayFail: true });
  }
  return actions;
}

/**
 * The record as it is, under this cluster as its owner: left alone, it would outlive the cluster and its volumes, and
 * tell the next one of that name that data was lost. Conditional on what was read, for it must not come back.
 */
function planIdentityOwner({ cluster, identity, owned }: ObservedCluster): Action[] {
  const live = owned.get(ownedKey(CONFIG_MAPS.kind, clusterNames.identity(cluster.metadata.name)));
  const resourceVersion = live?.metadata.resourceVersion;
  if (identity === null || live === undefined || resourceVersion === undefined) return [];
  const record = buildIdentity(cluster, identity.clusterId, identity.founder, identity.recovery);
  const { ownerReferences } = record.metadata;
  if (covers(live.metadata.ownerReferences, ownerReferences)) return [];
  const object = { ...record, metadata: { ...record.metadata, resourceVersion } };
  return [{ type: 'apply', resource: CONFIG_MAPS, object, mayFail: true }];
}

/** Conditional on what was read: a paused operator must not bring an older template back. */
function planStatefulSet({ cluster, statefulSet }: ObservedCluster, template: PodTemplate): Action[] {
  const built = buildStatefulSet(cluster, statefulSet, template);
  const { updateStrategy, persistentVolumeClaimRetentionPolicy } = built.spec;
  const { labels, ownerReferences } = built.metadata;
  const desired = stamped(built, {
    labels,
    ownerReferences,
    updateStrategy,
    persistentVolumeClaimRetentionPolicy,
  });
  if (isApplied(statefulSet, desired)) return [];
  const resourceVersion = statefulSet?.metadata.resourceVersion;
  const object =
    resourceVersion === undefined
      ? desired
      : { ...desired, metadata: { ...desired.metadata, resourceVersion } };
  return [{ type: 'apply', resource: STATEFUL_SETS, object, mayFail: false }];
}

/**
 * Replicas stand above every ordinal that a group or the roster counts on. They are raised at once, and lowered only
 * by what the leaders of all groups say, when no configuration could still be taken back.
 */
function planReplicas(observed: ObservedCluster, view: ClusterView, founded: boolean): Step {
  const { statefulSet, cluster } = observed;
  const resourceVersion = statefulSet?.metadata.resourceVersion;
  if (statefulSet === null || resourceVersion === undefined) return NOTHING;
  const now = statefulSet.spec.replicas ?? 1;
  const scale = (replicas: number, why: string): Action => ({
    type: 'scale',
    replicas,
    from: now,
    resourceVersion,
    why,
  });
  const leaders = allLeaders(view);
  const certain = leaders !== null && view.rosterCurrent;
  const required = Math.max(
    cluster.spec.members,
    (certain ? highestCertain(view) : highestOrdinal(view)) + 1,
    founded ? 0 : highestToAsk(observed) + 1,
  );
  if (now < required) {
    const progress = {
      reason: observed.identity === null ? ('Creating' as const) : ('ScalingUp' as const),
      message: `${required} pods`,
    };
    return { ...NOTHING, actions: [scale(required, `${required} members have a place`)], progress };
  }
  const settled = leaders?.every((leader) => leader.status.configurationCommitted) === true;
  if (now > required && certain) {
    const message = `lowering to ${required} pods`;
    if (!settled) return doing('ScalingDown', `${message} once every group has committed its configuration`);
    return doing('ScalingDown', message, scale(required, `ordinals from ${required} on are in no group`));
  }
  const ending = observed.pods.filter((pod) => pod.ordinal >= now).map((pod) => pod.name);
  if (ending.length > 0) return doing('ScalingDown', `waiting for ${ending.join(', ')} to end`);
  return NOTHING;
}

/**
 * Without a record, volumes above the members of the spec are asked too once all of those report empty: they are from
 * a larger cluster of that name, and may hold its data.
 */
function highestToAsk({ cluster, identity, claims, members }: ObservedCluster): number {
  if (identity !== null) return -1;
  for (let ordinal = 0; ordinal < cluster.spec.members; ordinal++) {
    if (members.find((member) => member.ordinal === ordinal)?.identity?.empty !== true) return -1;
  }
  return Math.max(-1, ...claims.filter((claim) => claim.bound).map((claim) => claim.ordinal));
}

/** As `highestOrdinal`, by the leaders alone: a member that was removed is never told of it. */
function highestCertain(view: ClusterView): number {
  const ordinals = (allLeaders(view) ?? []).flatMap(({ status }) =>
    [...status.configuration.voters, ...status.configuration.learners].map((member) => member.ordinal),
  );
  const rostered = (view.roster?.members ?? []).filter((member) => member.target !== 'removed');
  return Math.max(-1, ...ordinals, ...rostered.map((member) => member.ordinal));
}

/** Claims of members that were scaled away: their pods are gone and no group knows their ordinals. */
function planUnusedClaims(observed: ObservedCluster, view: ClusterView): Action[] {
  const { cluster, statefulSet, claims, pods } = observed;
  if (cluster.spec.storage.retention.whenScaled !== 'Delete' || statefulSet === null) return [];
  if (allLeaders(view) === null || !view.rosterCurrent) return [];
  const first = Math.max(cluster.spec.members, statefulSet.spec.replicas ?? 1, highestCertain(view) + 1);
  return claims
    .filter((claim) => claim.ordinal >= first && !claim.terminating)
    .filter((claim) => !pods.some((pod) => pod.ordinal === claim.ordinal))
    .map((claim) => ({
      type: 'delete' as const,
      resource: CLAIMS,
      name: claim.name,
      uid: claim.uid,
      why: `member ${claim.ordinal} was scaled away and retention.whenScaled is Delete`,
    }));
}
