import type { GroupId, MemberId } from '@synccluster/client/protocol';
import type { RaftStatus } from '../raft/types.ts';
import { isCaughtUp } from './caughtUp.ts';

/**
 * Leaders spread over members: group g prefers the voter at position g, counted round by ordinal. Returns who
 * should get the leadership that `status.id` holds now, or null to stay.
 */
export function preferredLeader(
  group: GroupId,
  status: RaftStatus,
  mayLead: (id: MemberId) => boolean,
): MemberId | null {
  const voters = [...status.configuration.voters].sort((a, b) => a.ordinal - b.ordinal);
  const preferred = voters[group % Math.max(1, voters.length)];
  if (preferred === undefined || preferred.id === status.id || !mayLead(preferred.id)) return null;
  return isCaughtUp(status.progress, preferred.id, status.lastIndex) ? preferred.id : null;
}

/** The voter to hand a leadership to when this member is about to go: the one with the longest log. */
export function bestSuccessor(status: RaftStatus, mayLead: (id: MemberId) => boolean): MemberId | null {
  let best: MemberId | null = null;
  let bestMatch = -1;
  for (const { id } of status.configuration.voters) {
    if (id === status.id || !mayLead(id)) continue;
    const progress = status.progress.find((p) => p.id === id);
    if (progress?.active && progress.match > bestMatch) {
      best = id;
      bestMatch = progress.match;
    }
  }
  return best;
}
