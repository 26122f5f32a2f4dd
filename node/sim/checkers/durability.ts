import type {
  Acknowledged,
  Applied,
  Committed,
  ConfigurationSeen,
  Durable,
  Observation,
  Restored,
} from '../history/observations.ts';
import type { CommittedPrefix } from './committedPrefix.ts';
import { quorumOf } from './leaders.ts';
import type { MemberLogs } from './memberLogs.ts';
import { misbehaved, type Violation } from './violation.ts';

const NAME = 'durability';

/**
 * Nothing is committed or acknowledged before a quorum's disks have it, nothing is applied that is not committed and on the
 * member's own disk, and what a disk once had is there after every start: a member that came back with less has
 * taken back promises that others counted on.
 */
export class Durability {
  readonly #logs: MemberLogs;
  readonly #committed: CommittedPrefix;
  /** By member and group: the configuration that it showed last. */
  readonly #configurations = new Map<string, ConfigurationSeen>();
  /** The one that it showed before. */
  readonly #before = new Map<string, ConfigurationSeen>();
  /** Commits that only a change of voters made in the same moment could explain, which is shown after them. */
  #suspects: { readonly committed: Committed; readonly violation: Violation }[] = [];
  readonly #roles = new Map<string, string>();
  /** What was on a lost volume was there when it was counted. */
  readonly #lost = new Set<number>();

  constructor(logs: MemberLogs, committed: CommittedPrefix) {
    this.#logs = logs;
    this.#committed = committed;
  }

  observe(observation: Observation): Violation[] {
    const over = this.#suspects.filter(({ committed }) => committed.worldMs < observation.worldMs);
    if (over.length > 0) this.#suspects = [];
    return [...over.map(({ violation }) => violation), ...this.#look(observation)];
  }

  #look(observation: Observation): Violation[] {
    switch (observation.kind) {
      case 'acknowledged':
        return this.#acknowledged(observation);
      case 'configuration': {
        const place = `${observation.member} ${observation.group}`;
        const before = this.#configurations.get(place);
        if (before !== undefined) this.#before.set(place, before);
        this.#configurations.set(place, observation);
        this.#suspects = this.#suspects.filter(
          ({ committed: { member, group, index } }) =>
            `${member} ${group}` !== place || !this.#isOnQuorum(observation.voters, group, index),
        );
        return [];
      }
      case 'role':
        this.#roles.set(`${observation.member} ${observation.group}`, observation.role);
        return [];
      case 'started':
        for (const group of this.#logs.groupsOf(observation.member).keys())
          this.#roles.delete(`${observation.member} ${group}`);
        return [];
      case 'volumeLost':
        this.#lost.add(observation.member);
        return [];
      case 'committed':
        return this.#commits(observation);
      case 'applied':
        return this.#applied(observation);
      case 'durable':
        return this.#durable(observation);
      case 'restored':
        return this.#restored(observation);
      default:
        return [];
    }
  }

  /**
   * By the configuration that the leader goes by, or by the one before: a change may have been appended since. Or by
   * one appended in the same moment: a leader goes by it at once, and each of its quorums meets each of the old ones.
   */
  #commits(committed: Committed): Violation[] {
    const { member, group, index } = committed;
    const place = `${member} ${group}`;
    if (this.#roles.get(place) !== 'leader') return [];
    const current = this.#configurations.get(place);
    if (current === undefined) return [];
    for (const { voters } of [current, this.#before.get(place) ?? current]) {
      if (this.#isOnQuorum(voters, group, index)) return [];
    }
    const { voters } = current;
    const on = voters.filter((voter) => this.#isOn(voter, group, index)).length;
    const what = `member ${member} committed index ${index} of group ${group}, which is on the disks of ${on} of ${voters.length} voters`;
    this.#suspects.push({ committed, violation: misbehaved(NAME, what, [current, committed]) });
    return [];
  }

  #isOnQuorum(voters: readonly number[], group: number, index: number): boolean {
    return voters.filter((voter) => this.#isOn(voter, group, index)).length >= quorumOf(voters);
  }

  #isOn(voter: number, group: number, index: number): boolean {
    return this.#lost.has(voter) || this.#logs.of(voter, group).durable >= index;
  }

  #acknowledged(acknowledged: Acknowledged): Violation[] {
    const { member, group, index, voters, durable } = acknowledged;
    const term = this.#committed.termAt(group, index);
    const having = voters.filter((voter) => {
      const disk = durable.find((one) => one.member === voter);
      if (disk === undefined || disk.index < index) return false;
      // Another entry at that index does not count.
      const has = this.#logs.of(voter, group).termAt(index);
      return term === null || has === null || has === term;
    });
    const violations: Violation[] = [];
    if (having.length < quorumOf(voters) && !this.#hadQuorumBefore(acknowledged)) {
      violations.push(
        misbehaved(
          NAME,
          `member ${member} acknowledged index ${index} of group ${group}, which is on the disks of ${having.length} of ${voters.length} voters`,
          [acknowledged],
        ),
      );
    }
    const { applied } = this.#logs.of(member, group);
    if (applied < index) {
      violations.push(
        misbehaved(
          NAME,
          `member ${member} acknowledged index ${index} of group ${group}, having applied ${applied}`,
          [acknowledged],
        ),
      );
    }
    return violations;
  }

  /** A change that was appended behind the entry was no matter yet when that was committed. */
  #hadQuorumBefore({ member, group, index }: Acknowledged): boolean {
    const before = this.#configurations.get(`${member} ${group}`);
    if (before === undefined || before.index > index) return false;
    const having = before.voters.filter((voter) => this.#logs.of(voter, group).durable >= index);
    return having.length >= quorumOf(before.voters);
  }

  #applied(applied: Applied): Violation[] {
    const { member, group, index } = applied;
    const log = this.#logs.of(member, group);
    const violations: Violation[] = [];
    const complain = (what: string): void => {
      violations.push(
        misbehaved(NAME, `member ${member} applied index ${index} of group ${group}, ${what}`, [applied]),
      );
    };
    if (index < log.applied) complain(`having applied ${log.applied}`);
    if (index > log.commit) complain(`having committed ${log.commit}`);
    if (index > log.durable) complain(`its disk has ${log.durable}`);
    return violations;
  }

  #durable(durable: Durable): Violation[] {
    const { member, group, index } = durable;
    const log = this.#logs.of(member, group);
    if (index <= log.lastIndex) return [];
    const what = `member ${member}'s disk has index ${index} of group ${group}, its log ends at ${log.lastIndex}`;
    return [misbehaved(NAME, what, [durable])];
  }

  #restored(restored: Restored): Violation[] {
    const { member, group, snapshotIndex, snapshotTerm, entries } = restored;
    const log = this.#logs.of(member, group);
    const lastIndex = snapshotIndex + entries.length;
    if (lastIndex < log.durable) {
      const what = `member ${member} came back with group ${group} up to index ${lastIndex}, its disk had ${log.durable}`;
      return [misbehaved(NAME, what, [restored])];
    }
    for (let index = Math.max(log.snapshotIndex + 1, snapshotIndex); index <= log.durable; index++) {
      const had = log.termAt(index);
      const has = index === snapshotIndex ? snapshotTerm : entries[index - snapshotIndex - 1]?.term;
      if (index === 0 || had === null || had === has) continue;
      const what = `member ${member} came back with another entry at index ${index} of group ${group}: of term ${has}, not ${had}`;
      return [misbehaved(NAME, what, [restored])];
    }
    return [];
  }
}
