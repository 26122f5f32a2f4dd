import type { Appended, Committed, Observation, RoleChanged } from '../history/observations.ts';
import type { MemberLogs } from './memberLogs.ts';
import { misbehaved, type Violation } from './violation.ts';

const NAME = 'committed prefix';

interface Canonical {
  readonly term: number;
  readonly hash: number;
  /** Term of the member that first showed it as committed; the committing leader's is no higher. */
  readonly committedTerm: number;
  readonly observation: Observation;
}

/**
 * What is committed never changes: every member commits the same entry at an index, none overwrites one that it knows
 * to be committed, and whoever leads a later term has it (leader completeness, Raft §5.4).
 */
export class CommittedPrefix {
  readonly #logs: MemberLogs;
  /** By group, by index - 1; a hole: committed, but only snapshots show it. */
  readonly #canonical = new Map<number, (Canonical | undefined)[]>();

  constructor(logs: MemberLogs) {
    this.#logs = logs;
  }

  /** Highest index known to be committed. */
  lastIndex(group: number): number {
    return this.#canonical.get(group)?.length ?? 0;
  }

  /** Null: not known to be committed, or its entry never was shown. */
  termAt(group: number, index: number): number | null {
    return this.#canonical.get(group)?.[index - 1]?.term ?? null;
  }

  observe(observation: Observation): Violation[] {
    switch (observation.kind) {
      case 'committed':
        return this.#committed(observation);
      case 'appended':
        return this.#appended(observation);
      case 'role':
        return observation.role === 'leader' ? this.#leads(observation) : [];
      case 'recovered':
        this.#recovered(observation.member);
        return [];
      default:
        return [];
    }
  }

  #of(group: number): (Canonical | undefined)[] {
    let canonical = this.#canonical.get(group);
    if (canonical === undefined) {
      canonical = [];
      this.#canonical.set(group, canonical);
    }
    return canonical;
  }

  #committed(committed: Committed): Violation[] {
    const { member, group, index, term } = committed;
    const log = this.#logs.of(member, group);
    const canonical = this.#of(group);
    const violations: Violation[] = [];
    if (index < log.commit) {
      violations.push(
        misbehaved(
          NAME,
          `member ${member}'s commit index of group ${group} fell from ${log.commit} to ${index}`,
          [committed],
        ),
      );
    }
    if (index > log.lastIndex) {
      violations.push(
        misbehaved(
          NAME,
          `member ${member} committed index ${index} of group ${group}, its log ends at ${log.lastIndex}`,
          [committed],
        ),
      );
    }
    for (let at = Math.max(log.commit, log.snapshotIndex) + 1; at <= Math.min(index, log.lastIndex); at++) {
      const entry = log.entry(at)!;
      const known = canonical[at - 1];
      if (known === undefined) {
        canonical[at - 1] = {
          term: entry.term,
          hash: entry.hash,
          committedTerm: term,
          observation: committed,
        };
      } else if (known.term !== entry.term || known.hash !== entry.hash) {
        violations.push(
          misbehaved(
            NAME,
            `group ${group}, index ${at}: member ${known.observation.member} committed an entry of term ${known.term}, ` +
              `member ${member} another one of term ${entry.term}`,
            [known.observation, committed],
          ),
        );
        break;
      }
    }
    return violations;
  }

  #appended(appended: Appended): Violation[] {
    const { member, group, entries } = appended;
    const log = this.#logs.of(member, group);
    for (const entry of entries) {
      if (entry.index > log.commit) return [];
      const had = log.entry(entry.index);
      if (had !== null && had.term === entry.term && had.hash === entry.hash) continue;
      return [
        misbehaved(
          NAME,
          `member ${member} overwrote index ${entry.index} of group ${group}, and had committed up to ${log.commit}`,
          [appended],
        ),
      ];
    }
    return [];
  }

  #leads(role: RoleChanged): Violation[] {
    const { member, group, term } = role;
    const canonical = this.#of(group);
    const log = this.#logs.of(member, group);
    // By log matching the last one speaks for all before it.
    for (let index = canonical.length; index > log.snapshotIndex; index--) {
      const entry = canonical[index - 1];
      if (entry === undefined || entry.committedTerm >= term) continue;
      if (log.termAt(index) === entry.term) return [];
      return [
        misbehaved(
          NAME,
          `member ${member} leads group ${group} in term ${term} without index ${index}, committed in term ${entry.committedTerm}`,
          [entry.observation, role],
        ),
      ];
    }
    return [];
  }

  /** What the survivor does not have is given up, and may be written anew. */
  #recovered(survivor: number): void {
    for (const [group, canonical] of this.#canonical) {
      const log = this.#logs.of(survivor, group);
      for (let index = canonical.length; index > 0; index--) {
        const term = log.termAt(index);
        const entry = canonical[index - 1];
        if (index <= log.snapshotIndex || (term !== null && (entry === undefined || entry.term === term)))
          break;
        canonical.length = index - 1;
      }
    }
  }
}
