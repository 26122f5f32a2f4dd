import type { Committed, ConfigurationSeen, Observation } from '../history/observations.ts';
import type { MemberLogs } from './memberLogs.ts';
import { misbehaved, type Violation } from './violation.ts';

const COMMIT = 'commit in the own term';
const CHANGES = 'membership changes';

/** A learner that lacks no more than so many entries is caught up: what is missing is in flight. */
const CAUGHT_UP_ENTRIES = 64;

/**
 * What only a leader decides. It counts copies of entries of its own term alone (Raft §5.4.2); it changes the
 * configuration when the last change and an entry of its term are committed (thesis §4.1), promotes a learner whose
 * disk has nearly the whole log, and never takes an id back that was removed.
 */
export class LeaderRules {
  readonly #logs: MemberLogs;
  /** By member and group: the term it leads. */
  readonly #leading = new Map<string, number>();
  /** By member and group: what it goes by. */
  readonly #current = new Map<string, Current>();
  /** By group: the newest configuration that is committed. */
  readonly #committed = new Map<number, ConfigurationSeen>();
  /** By group and id: the committed entry that removed it. */
  readonly #removed = new Map<string, ConfigurationSeen>();
  readonly #lost = new Set<number>();

  constructor(logs: MemberLogs) {
    this.#logs = logs;
  }

  observe(observation: Observation): Violation[] {
    switch (observation.kind) {
      case 'started':
        this.#forget(observation.member);
        return [];
      case 'volumeLost':
        this.#lost.add(observation.member);
        return [];
      case 'installed':
        this.#current.delete(placeOf(observation));
        return [];
      case 'role':
        if (observation.role === 'leader') this.#leading.set(placeOf(observation), observation.term);
        else this.#leading.delete(placeOf(observation));
        return [];
      case 'committed':
        return this.#commits(observation);
      case 'configuration':
        return this.#changes(observation);
      case 'recovered':
        // Another cluster from here on, whose configurations follow from none before.
        this.#current.clear();
        this.#committed.clear();
        this.#removed.clear();
        return [];
      default:
        return [];
    }
  }

  #forget(member: number): void {
    for (const group of this.#logs.groupsOf(member).keys()) {
      const place = placeOf({ member, group });
      this.#leading.delete(place);
      this.#current.delete(place);
    }
  }

  #commits(committed: Committed): Violation[] {
    const { member, group, index, term } = committed;
    const place = placeOf(committed);
    const current = this.#current.get(place);
    if (current !== undefined && current.seen.index <= index) {
      // What it goes by instead is shown only after the commit.
      const { entryTerm, seen } = current;
      const termNow = this.#logs.of(member, group).termAt(seen.index);
      if (entryTerm === null || termNow === null || entryTerm === termNow) this.#settle(seen);
    }
    if (this.#leading.get(place) !== term) return [];
    const entryTerm = this.#logs.of(member, group).termAt(index);
    if (entryTerm === null || entryTerm === term) return [];
    const what = `member ${member} leads term ${term} of group ${group} and committed index ${index} of term ${entryTerm} by counting`;
    return [misbehaved(COMMIT, what, [committed])];
  }

  #settle(configuration: ConfigurationSeen): void {
    const { group } = configuration;
    const before = this.#committed.get(group);
    if (before !== undefined && before.index >= configuration.index) return;
    this.#committed.set(group, configuration);
    const now = membersOf(configuration);
    for (const id of before === undefined ? [] : membersOf(before)) {
      if (!now.includes(id)) this.#removed.set(JSON.stringify([group, id]), configuration);
    }
  }

  #changes(seen: ConfigurationSeen): Violation[] {
    const { member, group } = seen;
    const place = placeOf(seen);
    const before = this.#current.get(place)?.seen;
    this.#current.set(place, { seen, entryTerm: this.#logs.of(member, group).termAt(seen.index) });
    const violations: Violation[] = [];
    for (const id of membersOf(seen)) {
      const removal = this.#removed.get(JSON.stringify([group, id]));
      if (removal === undefined || removal.index >= seen.index) continue;
      const what = `member ${id} is back in group ${group} at index ${seen.index}, and was removed at index ${removal.index}`;
      violations.push(misbehaved(CHANGES, what, [removal, seen]));
    }
    const term = this.#leading.get(place);
    if (term === undefined || before === undefined || before.index >= seen.index) return violations;
    const log = this.#logs.of(member, group);
    if (before.index > log.commit || (log.termAt(log.commit) ?? term) !== term) {
      const what = `member ${member} changed group ${group} at index ${seen.index}, having committed ${log.commit}, and the last change was index ${before.index}`;
      violations.push(misbehaved(CHANGES, what, [before, seen]));
    }
    for (const id of seen.voters) {
      if (before.voters.includes(id) || this.#lost.has(id)) continue;
      const { durable } = this.#logs.of(id, group);
      if (durable + CAUGHT_UP_ENTRIES >= seen.index - 1) continue;
      const what = `member ${id} became a voter of group ${group} at index ${seen.index} with a log up to ${durable}`;
      violations.push(misbehaved(CHANGES, what, [before, seen]));
    }
    return violations;
  }
}

interface Current {
  readonly seen: ConfigurationSeen;
  /** Of its entry in this member's log; null: it is no longer there. */
  readonly entryTerm: number | null;
}

function placeOf({ member, group }: { readonly member: number; readonly group: number }): string {
  return `${member} ${group}`;
}

function membersOf({ voters, learners }: ConfigurationSeen): number[] {
  return [...voters, ...learners];
}
