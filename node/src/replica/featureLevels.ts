import type { MemberId } from '@synccluster/client/protocol';
import type { Configuration } from '../raft/types.ts';

/** Highest level that every member of the configuration, learners too, has said it knows. */
export function commonLevel({ voters, learners }: Configuration, levelOf: (id: MemberId) => number): number {
  return Math.min(...[...voters, ...learners].map(({ id }) => levelOf(id)));
}

export interface AdmissionInput {
  /** What the member has said it knows. */
  readonly level: number;
  /** Of this leader's own version: its group is never above it. */
  readonly ownLevel: number;
  /** As applied here. */
  readonly groupLevel: number;
  /** Proposed in this term, whether applied or not. */
  readonly proposedLevel: number;
  /** This leader has applied all that it knows to be committed. */
  readonly caughtUp: boolean;
}

/** A member that knows less than the group's level, or than one that may be on its way, must not get its log. */
export function mayJoin({ level, ownLevel, groupLevel, proposedLevel, caughtUp }: AdmissionInput): boolean {
  if (level >= ownLevel) return true;
  return caughtUp && level >= Math.max(groupLevel, proposedLevel);
}
