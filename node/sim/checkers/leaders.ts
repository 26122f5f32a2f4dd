import type { Observation, RoleChanged, Voted } from '../history/observations.ts';
import { misbehaved, type Violation } from './violation.ts';

const NAME = 'one leader per term';

/** Majority of a configuration's voters. */
export function quorumOf(voters: readonly number[]): number {
  return Math.floor(voters.length / 2) + 1;
}

/**
 * Election safety (Raft §5.2): at most one leader in a term, elected by a quorum of voters, each of which votes once
 * in a term, durably, and never again after its volume was lost.
 */
export class Leaders {
  readonly #leaders = new Map<string, RoleChanged>();
  readonly #votes = new Map<string, Voted>();
  /** By group and member: the vote in the highest term. */
  readonly #lastVotes = new Map<string, Voted>();
  /** By group, term and candidate. */
  readonly #voters = new Map<string, Set<number>>();
  readonly #lost = new Map<number, Observation>();
  /** The world shows what gets to the disks, votes among it. */
  #disksShown = false;

  observe(observation: Observation): Violation[] {
    switch (observation.kind) {
      case 'volumeLost':
        this.#lost.set(observation.member, observation);
        return [];
      case 'voted':
        return this.#voted(observation);
      case 'durable':
        this.#disksShown = true;
        return [];
      case 'role':
        return observation.role === 'leader' ? this.#leads(observation) : [];
      case 'restored': {
        const { member, group, term, vote } = observation;
        const before = this.#lastVotes.get(JSON.stringify([group, member]));
        if (before === undefined || term > before.term || (term === before.term && vote === before.vote))
          return [];
        const what = `member ${member} came back to group ${group} in term ${term} with vote ${vote}, and had voted for ${before.vote} in term ${before.term}`;
        return [misbehaved(NAME, what, [before, observation])];
      }
      case 'recovered':
        // Another cluster from here on: what the old one's members promised each other is over.
        this.#leaders.clear();
        this.#votes.clear();
        this.#lastVotes.clear();
        this.#voters.clear();
        return [];
      default:
        return [];
    }
  }

  #voted(voted: Voted): Violation[] {
    const { member, group, term, vote } = voted;
    const key = JSON.stringify([group, term, member]);
    const before = this.#votes.get(key);
    const lost = this.#lost.get(member);
    const violations: Violation[] = [];
    if (lost !== undefined) {
      violations.push(misbehaved(NAME, `member ${member} voted after its volume was lost`, [lost, voted]));
    }
    if (before !== undefined && before.vote !== vote) {
      const what = `member ${member} voted for ${before.vote} and for ${vote} in term ${term} of group ${group}`;
      violations.push(misbehaved(NAME, what, [before, voted]));
    }
    this.#votes.set(key, voted);
    const last = this.#lastVotes.get(JSON.stringify([group, member]));
    if (last === undefined || last.term < term) this.#lastVotes.set(JSON.stringify([group, member]), voted);
    const candidate = JSON.stringify([group, term, vote]);
    const voters = this.#voters.get(candidate);
    if (voters === undefined) this.#voters.set(candidate, new Set([member]));
    else voters.add(member);
    return violations;
  }

  #leads(role: RoleChanged): Violation[] {
    const { member, group, term, voters } = role;
    const key = JSON.stringify([group, term]);
    const other = this.#leaders.get(key);
    const violations: Violation[] = [];
    if (other !== undefined && other.member !== member) {
      const what = `members ${other.member} and ${member} both lead group ${group} in term ${term}`;
      violations.push(misbehaved(NAME, what, [other, role]));
    }
    if (other === undefined && this.#disksShown) {
      const granted = this.#voters.get(JSON.stringify([group, term, member])) ?? new Set();
      const count = voters.filter((voter) => granted.has(voter)).length;
      if (count < quorumOf(voters)) {
        const what =
          `member ${member} leads group ${group} in term ${term} with ${count} durable votes ` +
          `of ${voters.length} voters`;
        violations.push(misbehaved(NAME, what, [role]));
      }
    }
    if (other === undefined) this.#leaders.set(key, role);
    return violations;
  }
}
