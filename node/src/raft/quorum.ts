import type { MemberId } from '@synccluster/client/protocol';
import type { ConfigurationMember } from './types.ts';

/** Fewest of `count` voters that any two sets of share a member. */
export function quorumSize(count: number): number {
  return Math.floor(count / 2) + 1;
}

/**
 * The highest value that a majority of the voters has reached: with match indexes, what is stored by a quorum
 * (Raft §5.3). 0 without voters: nobody can promise anything.
 */
export function majorityValue(
  voters: readonly ConfigurationMember[],
  reached: (id: MemberId) => number,
): number {
  if (voters.length === 0) return 0;
  const sorted: number[] = [];
  for (const voter of voters) {
    const value = reached(voter.id);
    let at = sorted.length;
    while (at > 0 && sorted[at - 1]! < value) at -= 1;
    sorted.splice(at, 0, value);
  }
  return sorted[quorumSize(voters.length) - 1]!;
}

export type Tally = 'won' | 'lost' | 'pending';

/** Votes of anyone who is not a voter are there to be ignored. */
export function tallyVotes(
  voters: readonly ConfigurationMember[],
  votes: ReadonlyMap<MemberId, boolean>,
): Tally {
  let granted = 0;
  let missing = 0;
  for (const voter of voters) {
    const vote = votes.get(voter.id);
    if (vote === undefined) missing += 1;
    else if (vote) granted += 1;
  }
  const needed = quorumSize(voters.length);
  if (granted >= needed) return 'won';
  return granted + missing < needed ? 'lost' : 'pending';
}
