import type { Condition } from '../api/schema.ts';
import type { GroupLeader, MemberSummary, SyncClusterStatus } from '../api/syncCluster.ts';
import { ANNOTATIONS, clusterNames, memberSelector } from '../desired/names.ts';
import { isFounded } from './founding.ts';
import {
  allLeaders,
  CAUGHT_UP_ENTRIES,
  type ClusterView,
  groupsWithoutLeader,
  isVoter,
  lagOf,
  memberAt,
  statusAt,
} from './groups.ts';
import type { ObservedCluster, ObservedPod } from './observed.ts';
import type { Plan } from './plan.ts';
import { isLost, recoverFrom, survivors } from './recovery.ts';

/** `now` is used for conditions that changed; the others keep the time they have. */
export function clusterStatus(observed: ObservedCluster, plan: Plan, now: string): SyncClusterStatus {
  const { cluster, pods, identity } = observed;
  const { name, generation } = cluster.metadata;
  const memberStatuses = summaries(observed, plan.view);
  const leaders = leadersOf(observed, plan.view);
  const leader = leaders.find((candidate) => candidate.group === 0)?.podName;
  const selector = Object.entries(memberSelector(name))
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const judged = [
    available(observed, plan),
    progressing(observed, plan, memberStatuses),
    degraded(observed, plan),
  ];
  return {
    observedGeneration: generation ?? 0,
    ...(identity === null ? {} : { clusterId: identity.clusterId }),
    replicas: pods.length,
    readyReplicas: memberStatuses.filter((member) => member.ready === 'True').length,
    selector,
    ...(leader === undefined ? {} : { leader }),
    leaders,
    memberStatuses,
    ...handledRecoverFrom(observed, judged[0]?.status === 'True'),
    conditions: mergeConditions(cluster.status?.conditions ?? [], judged, generation ?? 0, now),
  };
}

/** A cluster that works answers the annotation, whether it was recovered or there was nothing to recover. */
function handledRecoverFrom(
  observed: ObservedCluster,
  works: boolean,
): Pick<SyncClusterStatus, 'lastHandledRecoverFrom'> {
  const value = recoverFrom(observed);
  const before = observed.cluster.status?.lastHandledRecoverFrom;
  return value !== null && (works || value === before) ? { lastHandledRecoverFrom: value } : {};
}

export type Judgement = Omit<Condition, 'observedGeneration' | 'lastTransitionTime'>;

/** Conditions in the order judged; the time changes only with the status. */
export function mergeConditions(
  before: readonly Condition[],
  judged: readonly Judgement[],
  observedGeneration: number,
  now: string,
): Condition[] {
  return judged.map((judgement) => {
    const old = before.find((condition) => condition.type === judgement.type);
    const lastTransitionTime = old?.status === judgement.status ? old.lastTransitionTime : now;
    return { ...judgement, observedGeneration, lastTransitionTime };
  });
}

function available(observed: ObservedCluster, { view, blocked, progress }: Plan): Judgement {
  const no = (reason: string, message: string): Judgement => ({
    type: 'Available',
    status: 'False',
    reason,
    message,
  });
  if (progress?.reason === 'Recovering') return no(progress.reason, progress.message);
  if (!isFounded(observed)) {
    const why = blocked.find(({ reason }) => reason !== 'RestartBlocked');
    return why === undefined ? no('Founding', 'the cluster is being founded') : no(why.reason, why.message);
  }
  const leaders = allLeaders(view);
  if (leaders === null) {
    if (progress?.reason === 'Founding') return no(progress.reason, progress.message);
    const refused = blocked.find(({ reason }) => reason === 'RecoveryBlocked');
    if (refused !== undefined) return no(refused.reason, refused.message);
    const groups = groupsWithoutLeader(view).join(', ');
    return no(
      'NoLeader',
      `no member that answers leads group ${groups}; enough members for a quorum must come back${wayOut(observed)}`,
    );
  }
  const ready = observed.members.some(
    ({ ordinal }) => statusAt(observed, ordinal)?.ready === true && isPodReady(observed, ordinal),
  );
  if (!ready) return no('NoReadyMember', 'every group is led, but no member is ready yet');
  return {
    type: 'Available',
    status: 'True',
    reason: 'AllGroupsLed',
    message: 'every group has a leader and a quorum',
  };
}

/** What people may do who know that the others never will. */
function wayOut(observed: ObservedCluster): string {
  const clusterId = observed.identity?.clusterId;
  if (clusterId === undefined || !isLost(observed, clusterId)) return '';
  const pods = survivors(observed, clusterId);
  const spent =
    recoverFrom(observed) === null ? '' : '; the one that is set was answered before: remove it first';
  return `, or, if they never will, annotation ${ANNOTATIONS.recoverFrom}=${pods.join(' or ')} gives up what only they had${spent}`;
}

function progressing({ cluster }: ObservedCluster, plan: Plan, members: readonly MemberSummary[]): Judgement {
  if (plan.progress !== null) return { type: 'Progressing', status: 'True', ...plan.progress };
  const [first] = plan.blocked;
  if (first !== undefined) return { type: 'Progressing', status: 'False', ...first };
  const ready = members.filter(
    (member) => member.ordinal < cluster.spec.members && member.ready === 'True',
  ).length;
  if (ready < cluster.spec.members) {
    const message = `${ready} of ${cluster.spec.members} members ready`;
    return { type: 'Progressing', status: 'True', reason: 'WaitingForMembers', message };
  }
  return {
    type: 'Progressing',
    status: 'False',
    reason: 'Settled',
    message: 'the cluster is what the spec says',
  };
}

function degraded(observed: ObservedCluster, plan: Plan): Judgement {
  const yes = (reason: string, message: string): Judgement => ({
    type: 'Degraded',
    status: 'True',
    reason,
    message,
  });
  if (plan.progress?.reason === 'Recovering') return yes(plan.progress.reason, plan.progress.message);
  const serious = plan.blocked.find(
    ({ reason }) => reason !== 'RestartBlocked' && reason !== 'WaitingForVolumes',
  );
  const damaged = observed.members.find((member) => member.identity?.damaged != null);
  if (damaged !== undefined) {
    return yes('MemberDamaged', `member ${damaged.ordinal}: ${damaged.identity?.damaged}`);
  }
  if (serious !== undefined) return yes(serious.reason, serious.message);
  // A voter of every group that is away is a loss; a member still on its way is not, nor is one whose pod Kubernetes
  // has merely not yet found to be ready.
  const leaders = allLeaders(plan.view);
  const voters = plan.view.roster?.members.filter((member) => member.target === 'voter') ?? [];
  const away = voters
    .filter(({ memberId }) => leaders === null || leaders.every((view) => isVoter(view, memberId)))
    .filter(({ ordinal }) => {
      const pod = observed.pods.find((candidate) => candidate.ordinal === ordinal);
      const status = statusAt(observed, ordinal);
      // Promoted so lately that it has not read of it itself: it was never a voter that could have been lost.
      const isNew = status?.groups.some((group) => group.membership !== 'voter') === true;
      // What leads is at work, such as the first member while it hands out the slots of the data groups.
      const leads = status?.groups.some((group) => group.role === 'leader') === true;
      const isGone = pod === undefined || pod.terminating || pod.cutOff;
      return isGone || (status?.ready !== true && !isNew && !leads);
    });
  if (away.length > 0) {
    const which = away.map(({ ordinal }) => ordinal).sort((a, b) => a - b);
    return yes(
      'MemberUnavailable',
      `not ready: ${which.map((ordinal) => clusterNames.pod(observed.cluster.metadata.name, ordinal)).join(', ')}`,
    );
  }
  return { type: 'Degraded', status: 'False', reason: 'AllMembersHealthy', message: 'no voter is away' };
}

function isPodReady(observed: ObservedCluster, ordinal: number): boolean {
  return observed.pods.some((pod) => pod.ordinal === ordinal && pod.ready && !isGoing(observed, pod));
}
/** Above the replicas, a pod is as good as gone: what was read of it may be older than its end. */
function isGoing({ statefulSet }: ObservedCluster, pod: ObservedPod): boolean {
  return pod.terminating || pod.ordinal >= (statefulSet?.spec.replicas ?? 0);
}

function summaries(observed: ObservedCluster, view: ClusterView): MemberSummary[] {
  const { cluster, pods } = observed;
  const ordinals = new Set(pods.map((pod) => pod.ordinal));
  for (let ordinal = 0; ordinal < cluster.spec.members; ordinal++) ordinals.add(ordinal);
  return [...ordinals]
    .sort((a, b) => a - b)
    .map((ordinal) => {
      const pod = pods.find((candidate) => candidate.ordinal === ordinal);
      const member = memberAt(observed, ordinal);
      const memberId = member?.identity?.memberId;
      const version = member?.identity?.version;
      const lag = memberId === undefined ? null : worstLag(view, memberId);
      const ready = isPodReady(observed, ordinal) && statusAt(observed, ordinal)?.ready === true;
      const message = ready ? null : problem(observed, ordinal);
      return {
        ordinal,
        podName: pod?.name ?? clusterNames.pod(cluster.metadata.name, ordinal),
        ...(memberId === undefined ? {} : { memberId }),
        role: memberId === undefined ? ('None' as const) : roleOf(view, memberId),
        ready: ready ? ('True' as const) : ('False' as const),
        ...(version === undefined ? {} : { version }),
        ...(lag === null ? {} : { lagEntries: lag }),
        ...(message === null ? {} : { message: message.slice(0, 1024) }),
      };
    });
}

function problem(observed: ObservedCluster, ordinal: number): string {
  const pod = observed.pods.find((candidate) => candidate.ordinal === ordinal);
  const member = memberAt(observed, ordinal);
  if (pod === undefined) return 'its pod does not exist';
  if (isGoing(observed, pod)) return 'its pod is being deleted';
  if (pod.stuck !== null) return pod.stuck;
  if (member?.identity == null) return pod.cutOff ? 'its node is silent, and so is it' : 'it does not answer';
  if (pod.cutOff) return 'its node is silent';
  if (member.identity.damaged !== null) return `damaged: ${member.identity.damaged}`;
  const { clusterId } = member.identity;
  if (clusterId !== null && clusterId !== observed.identity?.clusterId)
    return `it holds cluster ${clusterId}, not this one`;
  const status = statusAt(observed, ordinal);
  if (status === null) return 'not admitted yet';
  return status.notReadyReason ?? 'its pod is not ready';
}

/** The weakest over all groups, as the groups' leaders have it. */
function roleOf(view: ClusterView, memberId: number): MemberSummary['role'] {
  let leads = false;
  let learner = false;
  for (const leader of view.leaders) {
    if (leader === null) continue;
    const { voters, learners } = leader.status.configuration;
    if (leader.leaderId === memberId) leads = true;
    if (voters.some((voter) => voter.id === memberId)) continue;
    if (!learners.some((member) => member.id === memberId)) return 'None';
    learner = true;
  }
  if (view.leaders.every((leader) => leader === null)) return 'None';
  if (learner) return 'Learner';
  return leads ? 'Leader' : 'Voter';
}

/** Coarse, so that the status is not written anew with every entry. */
function worstLag(view: ClusterView, memberId: number): number | null {
  const known = view.leaders.filter((leader) => leader !== null);
  if (known.length === 0) return null;
  const lag = Math.max(...known.map((leader) => lagOf(leader, memberId)));
  return lag <= CAUGHT_UP_ENTRIES ? 0 : 2 ** Math.floor(Math.log2(lag));
}

function leadersOf(observed: ObservedCluster, view: ClusterView): GroupLeader[] {
  return view.leaders.flatMap((leader) =>
    leader === null
      ? []
      : [
          {
            group: leader.group,
            podName: clusterNames.pod(observed.cluster.metadata.name, leader.leaderOrdinal),
            memberId: leader.leaderId,
          },
        ],
  );
}
