import { ANNOTATIONS, clusterNames, ordinalOf } from '../desired/names.ts';
import { blocked, doing, NOTHING, type Step } from './actions.ts';
import { isFounded } from './founding.ts';
import { memberAt } from './groups.ts';
import type { MemberIdentity } from './memberApi.ts';
import type { ClusterIdentity, ObservedCluster, ObservedMember, RecoveryRecord } from './observed.ts';

/*
 * A quorum that is lost for good is given up by people alone: an annotation names the member whose data is to go on.
 * The new cluster id is recorded first, with the lost one and the survivor; then the survivor is told. Between any two
 * steps the record and what the members say of themselves tell where to go on.
 */

/** Pod names are shorter; what is longer names none. */
const VALUE_MAX = 253;

/** What the annotation asks for, whether it has been answered or not; null: there is none. */
export function recoverFrom({ cluster }: ObservedCluster): string | null {
  return cluster.metadata.annotations?.[ANNOTATIONS.recoverFrom]?.slice(0, VALUE_MAX) ?? null;
}

/** The annotation acts until the cluster was seen to work with it; then not before it was removed or changed. */
function request(observed: ObservedCluster): string | null {
  const value = recoverFrom(observed);
  return value === observed.cluster.status?.lastHandledRecoverFrom ? null : value;
}

interface Survivor {
  readonly memberId: number;
  readonly ordinal: number;
}

/** What is to be done before anything else while a recovery is wanted or under way; what it waits for, or why not. */
export function planRecovery(observed: ObservedCluster): Step {
  const { identity } = observed;
  if (identity === null) return NOTHING;
  const { recovery, clusterId } = identity;
  if (recovery !== null && !isFounded(observed)) return goOn(observed, identity, recovery);
  const podName = request(observed);
  if (podName === null || isLed(observed, clusterId)) return NOTHING;
  return begin(observed, identity, clusterId, podName);
}

function begin(observed: ObservedCluster, identity: ClusterIdentity, lost: string, podName: string): Step {
  const refused = (why: string): Step =>
    blocked('RecoveryBlocked', `annotation ${ANNOTATIONS.recoverFrom}=${podName} is not followed: ${why}`);
  const survivor = findSurvivor(observed, lost, podName);
  if (typeof survivor === 'string') return refused(survivor);
  if (!isLost(observed, lost)) {
    // The survivor of a recovery is its own quorum at once.
    if (identity.recovery?.memberId === survivor.memberId) {
      return doing('Recovering', `waiting for ${podName} to lead cluster ${lost} alone`);
    }
    return refused(whyNotLost(observed));
  }
  const ahead = whoKnowsMore(observed, lost, survivor.ordinal);
  const hint = ahead.length === 0 ? '' : `; ${ahead.join(', ')} of the lost cluster answers too and has more`;
  const why = `cluster ${lost} goes on from what ${podName} has, as the annotation says${hint}`;
  return doing('Recovering', why, {
    type: 'replaceIdentity',
    uid: identity.uid,
    recovery: { from: lost, ...survivor },
    why,
  });
}

/** The new id is recorded, and nobody that answers carries it yet. */
function goOn(observed: ObservedCluster, identity: ClusterIdentity, recovery: RecoveryRecord): Step {
  const { from, memberId, ordinal } = recovery;
  const podName = clusterNames.pod(observed.cluster.metadata.name, ordinal);
  const own = memberAt(observed, ordinal)?.identity ?? null;
  if (isLed(observed, from)) {
    // A silent survivor may have been told, and would come back as a second cluster beside the restored one.
    const to = identity.clusterId;
    if (own === null || own.clusterId === to) {
      const why = `cluster ${from} is led again, but ${podName} may have been told already to go on as cluster ${to}`;
      const wayOut = 'if its volume is gone for good, delete its claim and its pod';
      return doing('Recovering', `${why}: waiting for it to answer; ${wayOut}`);
    }
    // It answers without the new id: it was not told, or the volume that was is gone.
    const why = `the quorum of cluster ${from} has come back before ${podName} was told`;
    return doing('Recovering', why, { type: 'restoreIdentity', uid: identity.uid, clusterId: from, why });
  }
  const asked = request(observed);
  if (asked !== null && asked !== podName) {
    const other = begin(observed, identity, from, asked);
    if (other.actions.length > 0) return other;
  }
  if (own === null) {
    // Once the cluster has worked under this id it is down like any other, and founding tells so.
    return asked === null ? NOTHING : doing('Recovering', `waiting for ${podName} to answer`);
  }
  if (own.memberId === memberId && holds(own, from)) {
    if (isLost(observed, from)) {
      const to = identity.clusterId;
      return doing('Recovering', `telling ${podName} to go on as cluster ${to} alone`, {
        type: 'recover',
        ordinal,
        memberId,
        from,
        to,
      });
    }
    return doing('Recovering', `a quorum of cluster ${from} may be coming back: waiting for its leaders`);
  }
  if (!observed.members.some((member) => holds(member.identity, from))) return NOTHING;
  return blocked(
    'RecoveryBlocked',
    `the data of ${podName}, from which cluster ${from} was to go on, is gone; name another member with annotation ${ANNOTATIONS.recoverFrom}`,
  );
}

function holds(identity: MemberIdentity | null, clusterId: string): identity is MemberIdentity {
  return (
    identity !== null && identity.clusterId === clusterId && !identity.empty && identity.damaged === null
  );
}

/** The member that is named, or why it is none to go on from. */
function findSurvivor(observed: ObservedCluster, lost: string, podName: string): Survivor | string {
  const { cluster, pods } = observed;
  const ordinal = ordinalOf(podName, cluster.metadata.name);
  if (ordinal === null || !pods.some((pod) => pod.ordinal === ordinal)) {
    return 'this cluster has no such pod';
  }
  const identity = memberAt(observed, ordinal)?.identity ?? null;
  if (identity === null) return 'it does not answer';
  if (identity.damaged !== null) return `its volume is damaged: ${identity.damaged}`;
  if (identity.empty) return 'it holds no data';
  if (identity.clusterId !== lost) return `it holds cluster ${identity.clusterId}, not ${lost}`;
  if (identity.groups === undefined) return `its version ${identity.version} does not know how`;
  const known = new Set(identity.groups.filter(({ lastIndex }) => lastIndex > 0).map(({ group }) => group));
  const missing = groupsOf(observed).filter((group) => !known.has(group));
  if (missing.length > 0) return `it has nothing of group ${missing.join(', ')}`;
  return { memberId: identity.memberId, ordinal };
}

function groupsOf({ cluster }: ObservedCluster): number[] {
  return Array.from({ length: cluster.spec.shards + 1 }, (_, group) => group);
}

interface SeenGroup {
  readonly leader: number;
  readonly voters: readonly { readonly id: number; readonly ordinal: number }[];
}
/** A group as a member of that cluster has it; null: it does not tell. */
function seenBy({ identity, status }: ObservedMember, clusterId: string, group: number): SeenGroup | null {
  if (!holds(identity, clusterId)) return null;
  const logged = identity.groups?.find((candidate) => candidate.group === group);
  if (logged !== undefined) return logged;
  const own = status?.groups.find((candidate) => candidate.group === group);
  return own === undefined ? null : { leader: own.leader, voters: own.configuration.voters };
}

/** Each group has a leader that somebody hears. */
function isLed(observed: ObservedCluster, clusterId: string): boolean {
  return groupsOf(observed).every((group) => isGroupLed(observed, clusterId, group));
}
function isGroupLed({ members }: ObservedCluster, clusterId: string, group: number): boolean {
  return members.some((member) => (seenBy(member, clusterId, group)?.leader ?? 0) !== 0);
}

/**
 * Some group has too few voters left to elect a leader, by the account of every member that has it. One that does not
 * answer counts as lost unless Kubernetes believes that it runs.
 */
export function isLost(observed: ObservedCluster, clusterId: string): boolean {
  return groupsOf(observed).some((group) => {
    if (isGroupLed(observed, clusterId, group)) return false;
    const accounts = observed.members
      .map((member) => seenBy(member, clusterId, group)?.voters ?? [])
      .filter((voters) => voters.length > 0);
    return (
      accounts.length > 0 &&
      accounts.every((voters) => {
        const left = voters.filter((voter) => mayVote(observed, clusterId, voter)).length;
        return left <= Math.floor(voters.length / 2);
      })
    );
  });
}

function mayVote(
  observed: ObservedCluster,
  clusterId: string,
  voter: { readonly id: number; readonly ordinal: number },
): boolean {
  const identity = memberAt(observed, voter.ordinal)?.identity ?? null;
  if (identity !== null) return identity.memberId === voter.id && holds(identity, clusterId);
  return mayRun(observed, voter.ordinal);
}
/** It ran when its node was last heard of: cut off from the operator, and perhaps not from the others. */
function mayRun({ pods }: ObservedCluster, ordinal: number): boolean {
  return pods.some(
    (pod) => pod.ordinal === ordinal && (pod.ready || pod.containersReady) && !pod.terminating,
  );
}

function whyNotLost(observed: ObservedCluster): string {
  const hidden = observed.members
    .filter((member) => member.identity === null && mayRun(observed, member.ordinal))
    .map((member) => clusterNames.pod(observed.cluster.metadata.name, member.ordinal));
  if (hidden.length === 0) return 'enough members for a quorum of every group answer';
  const they = hidden.length === 1 ? 'it is' : 'they are';
  return `Kubernetes does not say that ${hidden.join(', ')} stopped, so there may be a quorum that the operator cannot reach; delete what is left of the pods or their nodes if ${they} gone for good`;
}

/** Pods that hold data of the cluster: those that could be named. */
export function survivors({ cluster, members }: ObservedCluster, clusterId: string): string[] {
  return members
    .filter((member) => holds(member.identity, clusterId))
    .map((member) => clusterNames.pod(cluster.metadata.name, member.ordinal));
}

/** Pods whose log of some group goes further than the survivor's (Raft §5.4.1). */
function whoKnowsMore(observed: ObservedCluster, clusterId: string, ordinal: number): string[] {
  const own = memberAt(observed, ordinal)?.identity?.groups ?? [];
  return observed.members
    .filter((member) => member.ordinal !== ordinal && holds(member.identity, clusterId))
    .filter((member) =>
      member.identity?.groups?.some(({ group, lastTerm, lastIndex }) => {
        const mine = own.find((candidate) => candidate.group === group);
        if (mine === undefined) return true;
        return lastTerm > mine.lastTerm || (lastTerm === mine.lastTerm && lastIndex > mine.lastIndex);
      }),
    )
    .map((member) => clusterNames.pod(observed.cluster.metadata.name, member.ordinal));
}
