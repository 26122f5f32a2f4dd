import { type Action, blocked, doing, NOTHING, type RosterChange, type Step } from './actions.ts';
import {
  allLeaders,
  type ClusterView,
  caughtUpEverywhere,
  caughtUpVoterEverywhere,
  groupsWithoutLeader,
  isMember,
  isVoter,
  type LeaderView,
  memberAt,
  memberNames,
  quorumWithout,
} from './groups.ts';
import type { MemberIdentity, Roster, RosterMember } from './memberApi.ts';
import type { ClusterIdentity, ObservedCluster, ObservedMember } from './observed.ts';

/** What every rule below goes by: all groups led, the roster read from the leader that keeps it. */
interface Situation {
  readonly observed: ObservedCluster;
  readonly members: number;
  readonly clusterId: string;
  readonly leaders: readonly LeaderView[];
  readonly roster: Roster;
  /** Roster entries that are to stay, or to go only with a scale-down. */
  readonly current: readonly RosterMember[];
}

/**
 * The next change of the roster, at most one per pass, and what stands in its way. All is derived from what the
 * leaders report, so it does not matter which steps this operator, or another before it, has taken.
 */
export function planMembership(observed: ObservedCluster, view: ClusterView): Step[] {
  const leaders = allLeaders(view);
  if (observed.identity === null) return [];
  if (leaders === null && isJustFounded(observed)) return [doing('Founding', 'member 0 begins to lead')];
  if (view.roster === null) {
    return [
      blocked('NoLeader', 'no member that answers has read its log yet; if this lasts, see their logs'),
    ];
  }
  if (view.roster.version === 0) return [planUnfinishedFounding(observed, observed.identity)];
  if (leaders === null || !view.rosterCurrent) {
    return [blocked('NoLeader', `no leader of group ${groupsWithoutLeader(view).join(', ') || '0'} answers`)];
  }
  const situation: Situation = {
    observed,
    members: observed.cluster.spec.members,
    clusterId: observed.identity.clusterId,
    leaders,
    roster: view.roster,
    current: view.roster.members.filter((member) => member.target !== 'removed'),
  };
  const steps = [planResets(situation)];
  // The first of these that has a change to make makes it; what only waits or is blocked lets the next one try.
  for (const rule of [
    waitForRemoval,
    removeStrayLearners,
    planRepair,
    planJoin,
    planPromotion,
    planScaleDown,
  ]) {
    const step = rule(situation);
    steps.push(step);
    if (step.actions.length > 0 || (rule === waitForRemoval && step.progress !== null)) break;
  }
  return steps;
}

/**
 * The founder alone has data and knows of no other voter, and the others wait to be let in: too early to speak of a
 * loss. One that lost its voters would know of them.
 */
function isJustFounded({ identity, members, cluster }: ObservedCluster): boolean {
  const holding = members.filter((member) => member.identity !== null && !member.identity.empty);
  const [founder] = holding;
  if (founder === undefined || holding.length > 1 || cluster.spec.members === 1) return false;
  if (members.length === 1 || founder.identity?.memberId !== identity?.founder) return false;
  return founder.status?.groups.every(({ configuration }) => configuration.voters.length <= 1) !== false;
}

/** The founder wrote its first log but died before the first roster: founding again goes on where it ended. */
function planUnfinishedFounding({ cluster }: ObservedCluster, { clusterId, founder }: ClusterIdentity): Step {
  if (founder === null)
    return blocked('NoLeader', 'the volumes hold a cluster that was never founded to the end');
  const { shards } = cluster.spec;
  return doing('Founding', 'founding goes on', { type: 'bootstrap', ordinal: 0, clusterId, shards });
}

function change(situation: Situation, why: string, changes: readonly RosterChange[]): Action {
  return { type: 'changeRoster', expectedVersion: situation.roster.version, changes, why };
}
function removal({ memberId, ordinal }: RosterMember): RosterChange {
  return { memberId, ordinal, target: 'removed' };
}
/** Its id is spent: it was removed and may never come back. */
function isSpent({ roster }: Situation, memberId: number): boolean {
  return (
    roster.tombstones.includes(memberId) ||
    roster.members.some((member) => member.memberId === memberId && member.target === 'removed')
  );
}
function isForeign({ clusterId }: Situation, identity: MemberIdentity): boolean {
  return identity.clusterId !== null && identity.clusterId !== clusterId;
}
function wanted({ observed, members }: Situation): ObservedMember[] {
  return observed.members.filter((member) => member.ordinal < members && member.identity !== null);
}

/**
 * A volume with a spent or foreign id is set aside; its member comes back under a new id and may then join. So is one
 * whose identity cannot be read: its member answers under a passing id that nobody will ever count on.
 */
function planResets(situation: Situation): Step {
  const actions: Action[] = [];
  for (const member of wanted(situation)) {
    const { identity, ordinal } = member;
    if (identity === null) continue;
    const spent = isSpent(situation, identity.memberId);
    const nameless =
      identity.damaged !== null &&
      !situation.current.some((known) => known.memberId === identity.memberId || known.ordinal === ordinal);
    if (!spent && !isForeign(situation, identity) && !nameless) continue;
    // Still counted on somewhere: its removal comes first.
    if (situation.leaders.some((view) => isMember(view, identity.memberId))) continue;
    const why = spent
      ? 'its id was removed from the cluster'
      : nameless
        ? `it is damaged: ${identity.damaged}`
        : `its volume belongs to cluster ${identity.clusterId}`;
    actions.push({ type: 'reset', ordinal, memberId: identity.memberId, why });
  }
  return actions.length === 0
    ? NOTHING
    : doing('Repairing', 'setting volumes of former members aside', ...actions);
}

function waitForRemoval(situation: Situation): Step {
  const going = new Map(
    situation.leaders
      .flatMap(({ status }) => [...status.configuration.voters, ...status.configuration.learners])
      .filter((member) => isSpent(situation, member.id))
      .map((member) => [member.id, member.ordinal]),
  );
  if (going.size === 0) return NOTHING;
  const ordinals = [...going.values()];
  const reason = ordinals.every((ordinal) => ordinal >= situation.members) ? 'ScalingDown' : 'Repairing';
  return doing(reason, `${memberNames(ordinals)} leaving the groups`);
}

/** Learners count for nothing, so one that is not wanted, or whose volume is gone, goes without conditions. */
function removeStrayLearners(situation: Situation): Step {
  const stray = situation.current.filter(
    (member) =>
      member.target === 'learner' &&
      situation.leaders.every((view) => !isVoter(view, member.memberId)) &&
      (member.ordinal >= situation.members || whyLost(situation, member) !== null),
  );
  if (stray.length === 0) return NOTHING;
  const why = 'learners that are not wanted or whose volume is gone';
  return doing('Repairing', why, change(situation, why, stray.map(removal)));
}

/** Why the member of this roster entry will not come back by itself; null when it may. */
function whyLost(situation: Situation, entry: RosterMember): string | null {
  const identity = memberAt(situation.observed, entry.ordinal)?.identity;
  if (identity == null) return null;
  if (identity.memberId !== entry.memberId) return `the volume of member ${entry.ordinal} was replaced`;
  // Told of a recovery that was taken back: it has its id still, and would lead that cluster alone for ever.
  if (isForeign(situation, identity))
    return `the volume of member ${entry.ordinal} belongs to cluster ${identity.clusterId}`;
  return identity.damaged === null ? null : `member ${entry.ordinal} is damaged: ${identity.damaged}`;
}

/** One lost voter at a time, and only while every group has a quorum without it. */
function planRepair(situation: Situation): Step {
  const { current, leaders, members } = situation;
  const lost = current.filter((member) => member.ordinal < members && whyLost(situation, member) !== null);
  const removable = lost.find((member) => leaders.every((view) => quorumWithout(view, member.memberId)));
  if (removable !== undefined) {
    const why = whyLost(situation, removable) ?? '';
    return doing('Repairing', why, change(situation, why, [removal(removable)]));
  }
  const first = lost[0];
  if (first === undefined) return NOTHING;
  return blocked('RepairBlocked', `${whyLost(situation, first)}; without it some group has no quorum`);
}

/** Members that wait to be told join as learners, all of them at once: learners cost no availability. */
function planJoin(situation: Situation): Step {
  const { current, roster, leaders } = situation;
  const joining: RosterChange[] = [];
  for (const member of wanted(situation)) {
    const { identity, ordinal } = member;
    if (identity === null || identity.damaged !== null || isForeign(situation, identity)) continue;
    if (isSpent(situation, identity.memberId)) continue;
    if (roster.members.some((known) => known.memberId === identity.memberId)) continue;
    // Two ids must not share an ordinal, for an address derives from it.
    if (current.some((known) => known.ordinal === ordinal)) continue;
    if (leaders.some((view) => hasOrdinal(view, ordinal))) continue;
    joining.push({ memberId: identity.memberId, ordinal, target: 'learner' });
  }
  if (joining.length === 0) return NOTHING;
  const why = `${memberNames(joining.map((member) => member.ordinal))} joining, without a vote yet`;
  return doing('ScalingUp', why, change(situation, why, joining));
}
function hasOrdinal({ status }: LeaderView, ordinal: number): boolean {
  const { voters, learners } = status.configuration;
  return [...voters, ...learners].some((member) => member.ordinal === ordinal);
}

/**
 * All learners together once every one is caught up in every group, so that the moment with an even number of
 * voters stays short. When some member does not come, as many as keep the number of voters odd.
 */
function planPromotion(situation: Situation): Step {
  const { current, leaders, members } = situation;
  const voters = current.filter((member) => member.target === 'voter');
  const pending = voters.filter(
    (member) => member.ordinal < members && !leaders.every((view) => isVoter(view, member.memberId)),
  );
  const learners = current.filter((member) => member.target === 'learner' && member.ordinal < members);
  const ready = learners
    .filter((member) => caughtUpEverywhere(leaders, member.memberId))
    .sort((a, b) => a.ordinal - b.ordinal);
  const missing = Array.from({ length: members }, (_, ordinal) => ordinal).filter(
    (ordinal) => ![...voters, ...ready].some((member) => member.ordinal === ordinal),
  );
  const odd = (voters.length + ready.length) % 2 === 1;
  const promoted = missing.length === 0 || odd ? ready : ready.slice(0, -1);
  if (promoted.length > 0) {
    const why = `${memberNames(promoted.map((member) => member.ordinal))} caught up in every group: promoting`;
    return doing(
      'Promoting',
      why,
      change(
        situation,
        why,
        promoted.map(({ memberId, ordinal }) => ({ memberId, ordinal, target: 'voter' as const })),
      ),
    );
  }
  if (missing.length > 0)
    return doing('ScalingUp', `waiting for ${memberNames(missing)} to join and catch up`);
  if (pending.length > 0) {
    return doing(
      'Promoting',
      `${memberNames(pending.map((member) => member.ordinal))} becoming ${pending.length === 1 ? 'a voter' : 'voters'}`,
    );
  }
  return NOTHING;
}

/**
 * Those that are away or behind go first and one at a time, for the groups remove members in an order of their own: to
 * lose a living one first would leave too few to do without the dead. Then leaders move, and the rest goes by one change.
 */
function planScaleDown(situation: Situation): Step {
  const { observed, current, leaders, members } = situation;
  const leaving = current.filter((member) => member.ordinal >= members);
  if (leaving.length === 0) return NOTHING;
  const weak = Array.from({ length: members }, (_, ordinal) => ordinal).filter(
    (ordinal) =>
      !current.some(
        (member) =>
          member.ordinal === ordinal &&
          member.target === 'voter' &&
          whyLost(situation, member) === null &&
          caughtUpVoterEverywhere(leaders, member.memberId),
      ),
  );
  if (weak.length > 0) {
    return blocked(
      'ScaleDownBlocked',
      `${memberNames(weak)} would stay but ${weak.length === 1 ? 'is' : 'are'} not a caught-up voter in every group`,
    );
  }
  const failing = leaving.filter(
    (member) => whyLost(situation, member) !== null || !caughtUpVoterEverywhere(leaders, member.memberId),
  );
  const first = failing.find((member) => leaders.every((view) => quorumWithout(view, member.memberId)));
  if (first !== undefined) {
    const why = `removing member ${first.ordinal}, which is away or behind`;
    return doing('ScalingDown', why, change(situation, why, [removal(first)]));
  }
  if (failing.length > 0) {
    const which = memberNames(failing.map((member) => member.ordinal));
    return blocked('ScaleDownBlocked', `without ${which} some group has no quorum`);
  }
  const who = memberNames(leaving.map((member) => member.ordinal));
  const leads = leaving.some((member) => leaders.some((view) => view.leaderId === member.memberId));
  if (leads) {
    // All of them at once, or the leaderships would wander among those that leave.
    const handovers = leaving
      .filter((member) => memberAt(observed, member.ordinal)?.identity?.memberId === member.memberId)
      .map((member) => ({
        type: 'handover' as const,
        ordinal: member.ordinal,
        why: 'leaving the cluster',
      }));
    return doing('ScalingDown', `moving leaderships away from ${who}`, ...handovers);
  }
  return doing('ScalingDown', `removing ${who}`, change(situation, `removing ${who}`, leaving.map(removal)));
}
