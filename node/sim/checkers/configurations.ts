import { EntryKind } from '../../src/raft/types.ts';
import type { ConfigurationSeen, Observation } from '../history/observations.ts';
import type { MemberLogs } from './memberLogs.ts';
import { misbehaved, type Violation } from './violation.ts';

const NAME = 'configurations';

interface InForce {
  readonly seen: ConfigurationSeen;
  readonly term: number | null;
}

/**
 * A group's configurations follow each other in the log, each one voter away from the one before (thesis §4.1), so
 * that any two quorums in a row share a member; the same index means the same configuration on all members that have
 * the same entry there. A member goes by the last configuration of its log: one whose entry was replaced is in force
 * no more.
 */
export class Configurations {
  readonly #logs: MemberLogs;
  /** By group: by index and term. */
  readonly #known = new Map<number, Map<string, ConfigurationSeen & { readonly entryTerm: number }>>();

  /** By member and group: what it goes by, and the term of its entry then. */
  readonly #inForce = new Map<string, InForce>();

  constructor(logs: MemberLogs) {
    this.#logs = logs;
  }

  observe(observation: Observation): Violation[] {
    switch (observation.kind) {
      case 'recovered':
        this.#known.clear();
        return [];
      case 'started':
        for (const group of this.#logs.groupsOf(observation.member).keys())
          this.#inForce.delete(`${observation.member} ${group}`);
        return [];
      case 'installed':
        this.#inForce.delete(`${observation.member} ${observation.group}`);
        return [];
      case 'configuration':
        return [...this.#seen(observation), ...this.#stays(observation)];
      default:
        return [];
    }
  }

  /** It is shown anew when another entry took its place. */
  #stays(seen: ConfigurationSeen): Violation[] {
    const { member, group, index } = seen;
    const place = `${member} ${group}`;
    const before = this.#inForce.get(place);
    const entry = this.#logs.of(member, group).entry(index);
    this.#inForce.set(place, { seen, term: entry?.term ?? null });
    if (before === undefined || before.seen.index !== index || before.term === null) return [];
    if (entry === null || entry.term === before.term || entry.kind === EntryKind.Configuration) return [];
    const what =
      `member ${member} goes by the configuration of index ${index} of group ${group}, of term ${before.term}, ` +
      `and its log has an entry of term ${entry.term} there, which holds none`;
    return [misbehaved(NAME, what, [before.seen, seen])];
  }

  #seen(seen: ConfigurationSeen): Violation[] {
    const { member, group, index, voters, learners } = seen;
    const violations: Violation[] = [];
    const both = voters.filter((voter) => learners.includes(voter));
    if (both.length > 0) {
      violations.push(misbehaved(NAME, `member ${both[0]} is voter and learner of group ${group}`, [seen]));
    }
    const log = this.#logs.of(member, group);
    const term = log.termAt(index);
    if (term === null || index === 0) return violations;
    let known = this.#known.get(group);
    if (known === undefined) {
      known = new Map();
      this.#known.set(group, known);
    }
    const key = `${index} ${term}`;
    const other = known.get(key);
    if (other !== undefined) {
      if (!same(other.voters, voters) || !same(other.learners, learners)) {
        const what = `members ${other.member} and ${member} read index ${index} of group ${group} differently`;
        violations.push(misbehaved(NAME, what, [other, seen]));
      }
      return violations;
    }
    // The one before it in this very log, whoever showed it: a member may take several in one step and show the last.
    let before: ConfigurationSeen | null = null;
    for (const one of known.values()) {
      if (one.index < index && one.index > (before?.index ?? 0) && log.termAt(one.index) === one.entryTerm)
        before = one;
    }
    known.set(key, { ...seen, entryTerm: term });
    if (before === null || before.voters.length === 0) return violations;
    const previous = before.voters;
    const changed =
      voters.filter((voter) => !previous.includes(voter)).length +
      previous.filter((voter) => !voters.includes(voter)).length;
    if (changed > 1) {
      violations.push(
        misbehaved(
          NAME,
          `group ${group} changed ${changed} voters at once, from index ${before.index} to ${index}`,
          [before, seen],
        ),
      );
    }
    return violations;
  }
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((member) => b.includes(member));
}
