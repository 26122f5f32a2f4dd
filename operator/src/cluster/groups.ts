import type { GroupStatus, MemberStatus, Roster } from './memberApi.ts';
import type { ObservedCluster, ObservedMember } from './observed.ts';

/** A follower this close to its leader is caught up: what is missing is in flight. One entry holds a whole batch. */
export const CAUGHT_UP_ENTRIES = 64;

/** A group as its leader sees it. */
export interface LeaderView {
  readonly group: number;
  readonly leaderId: number;
  readonly leaderOrdinal: number;
  readonly status: GroupStatus;
}
/** The members of this very cluster that answered, and what they know together. */
export interface ClusterView {
  readonly statuses: readonly MemberStatus[];
  /** Groups 0…shards; null where no reachable member leads. */
  readonly leaders: readonly (LeaderView | null)[];
  /** Null: nobody of this cluster answered. */
  readonly roster: Roster | null;
  /** Whether the roster is the one that group 0's leader has: only then may it be changed by. */
  readonly rosterCurrent: boolean;
}

export function viewOf(observed: ObservedCluster): ClusterView {
  const statuses = observed.members
    .map((member) => ownStatus(observed, member))
    .filter((status) => status !== null);
  const leaders = Array.from({ length: observed.cluster.spec.shards + 1 }, (_, group) =>
    leaderOf(statuses, group),
  );
  const first = leaders[0];
  const fromLeader = statuses.find((status) => status.memberId === first?.leaderId)?.roster;
  const newest = statuses.reduce<Roster | null>(
    (best, { roster }) => (best === null || roster.version > best.version ? roster : best),
    null,
  );
  return { statuses, leaders, roster: fromLeader ?? newest, rosterCurrent: fromLeader !== undefined };
}

/** A deposed leader may still believe it leads: the highest term is right. */
function leaderOf(statuses: readonly MemberStatus[], group: number): LeaderView | null {
  let best: LeaderView | null = null;
  for (const status of statuses) {
    const own = status.groups.find((candidate) => candidate.group === group);
    if (own?.role !== 'leader' || (best !== null && best.status.term >= own.term)) continue;
    best = { group, leaderId: status.memberId, leaderOrdinal: status.ordinal, status: own };
  }
  return best === null ? null : { ...best, status: completed(best.status, statuses) };
}

/**
 * A new leader counts every member as having nothing until it has answered. What a member says it has applied is
 * durable there and agrees with the leader's log, so it has at least that.
 */
function completed(status: GroupStatus, statuses: readonly MemberStatus[]): GroupStatus {
  const progress = status.progress.map((known) => {
    const groups = statuses.find(({ memberId }) => memberId === known.id)?.groups;
    const applied = groups?.find(({ group }) => group === status.group)?.applied ?? 0;
    return applied > known.match ? { ...known, match: applied } : known;
  });
  return { ...status, progress };
}

function matchOf(view: LeaderView, memberId: number): { match: number; active: boolean } {
  if (memberId === view.leaderId) return { match: view.status.lastIndex, active: true };
  return view.status.progress.find((progress) => progress.id === memberId) ?? { match: 0, active: false };
}
export function lagOf(view: LeaderView, memberId: number): number {
  return Math.max(0, view.status.lastIndex - matchOf(view, memberId).match);
}
export function isVoter(view: LeaderView, memberId: number): boolean {
  return view.status.configuration.voters.some((voter) => voter.id === memberId);
}
export function isMember(view: LeaderView, memberId: number): boolean {
  return (
    isVoter(view, memberId) || view.status.configuration.learners.some((learner) => learner.id === memberId)
  );
}
function isCaughtUp(view: LeaderView, memberId: number): boolean {
  const { active } = matchOf(view, memberId);
  return active && isMember(view, memberId) && lagOf(view, memberId) <= CAUGHT_UP_ENTRIES;
}

/** Every group has a leader among the reachable members; the list of them is then complete. */
export function allLeaders(view: ClusterView): readonly LeaderView[] | null {
  const leaders = view.leaders.filter((leader): leader is LeaderView => leader !== null);
  return leaders.length === view.leaders.length ? leaders : null;
}
export function groupsWithoutLeader(view: ClusterView): number[] {
  return view.leaders.flatMap((leader, group) => (leader === null ? [group] : []));
}
export function caughtUpEverywhere(leaders: readonly LeaderView[], memberId: number): boolean {
  return leaders.every((view) => isCaughtUp(view, memberId));
}
export function caughtUpVoterEverywhere(leaders: readonly LeaderView[], memberId: number): boolean {
  return leaders.every((view) => isVoter(view, memberId) && isCaughtUp(view, memberId));
}

/** Whether the voters without this one are still a quorum of the group as it is: it may stop. */
export function quorumWithout(view: LeaderView, memberId: number): boolean {
  const { voters } = view.status.configuration;
  const active = voters.filter((voter) => voter.id !== memberId && matchOf(view, voter.id).active).length;
  return active >= Math.floor(voters.length / 2) + 1;
}

/** Highest ordinal that any configuration or the roster still counts on; -1 for none. */
export function highestOrdinal(view: ClusterView): number {
  let highest = -1;
  for (const status of view.statuses) {
    for (const { configuration } of status.groups) {
      for (const { ordinal } of [...configuration.voters, ...configuration.learners]) {
        highest = Math.max(highest, ordinal);
      }
    }
  }
  for (const member of view.roster?.members ?? []) {
    if (member.target !== 'removed') highest = Math.max(highest, member.ordinal);
  }
  return highest;
}

export function memberAt(observed: ObservedCluster, ordinal: number): ObservedMember | null {
  return observed.members.find((member) => member.ordinal === ordinal) ?? null;
}

/** What a member of this very cluster reports: one of another may lead that, and be ready, behind the same Service. */
function ownStatus({ identity }: ObservedCluster, { status }: ObservedMember): MemberStatus | null {
  return status !== null && status.clusterId === identity?.clusterId ? status : null;
}
export function statusAt(observed: ObservedCluster, ordinal: number): MemberStatus | null {
  const member = memberAt(observed, ordinal);
  return member === null ? null : ownStatus(observed, member);
}

/** `member 1`, `members 1, 2`: for people. */
export function memberNames(ordinals: readonly number[]): string {
  const sorted = [...ordinals].sort((a, b) => a - b);
  return sorted.length === 1 ? `member ${sorted[0]}` : `members ${sorted.join(', ')}`;
}
