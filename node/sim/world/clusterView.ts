import type { GroupId } from '@synccluster/client/protocol';
import type { IdentityView, MemberStatus } from '../../src/http/memberPort.ts';
import type { MemberSlot } from './slot.ts';

/** A learner this close to the leader's log counts as caught up. */
export const CAUGHT_UP_ENTRIES = 64;

/** What one member said of itself. */
export interface Seen {
  readonly slot: MemberSlot;
  readonly identity: IdentityView;
  readonly status: MemberStatus | null;
}
export type GroupStatus = MemberStatus['groups'][number];

interface Leader {
  readonly slot: MemberSlot;
  readonly status: MemberStatus;
  readonly group: GroupStatus;
}

/** Of each group the one that leads in the highest term; stops at the first group without. */
export function leadersOf(seen: readonly Seen[], count: number): Leader[] {
  const leaders: Leader[] = [];
  for (let id = 0; id < count; id++) {
    let best: Leader | null = null;
    for (const { slot, status } of seen) {
      const group = status?.groups.find((one) => one.group === (id as GroupId));
      if (status === null || group?.role !== 'leader' || group.term <= (best?.group.term ?? 0)) continue;
      best = { slot, status, group };
    }
    if (best === null) return leaders;
    leaders.push(best);
  }
  return leaders;
}

export function quorumWithout(groups: readonly GroupStatus[], memberId: number): boolean {
  return groups.every(({ configuration: { voters }, progress }) => {
    const rest = voters.filter(({ id }) => id !== memberId);
    const known = new Set(progress.filter(({ active }) => active).map(({ id }) => id));
    // The leader itself is not among those it hears of.
    const alive = rest.filter(({ id }) => known.has(id) || !progress.some((one) => one.id === id)).length;
    return rest.length > 0 && alive >= Math.floor(rest.length / 2) + 1;
  });
}

export function isCaughtUp({ progress, lastIndex, configuration }: GroupStatus, memberId: number): boolean {
  if (configuration.voters.some(({ id }) => id === memberId)) return true;
  const one = progress.find(({ id }) => id === memberId);
  return one?.active === true && one.match + CAUGHT_UP_ENTRIES >= lastIndex;
}
