import type { EntryRecord, Observation } from '../history/observations.ts';
import type { MemberLogs } from './memberLogs.ts';
import { misbehaved, type Violation } from './violation.ts';

const NAME = 'log matching';

interface Seen {
  readonly hash: number;
  /** Of the entry before; null: not known where it was seen first. */
  previousTerm: number | null;
  readonly observation: Observation;
}

/**
 * If two logs hold an entry of the same index and term, they hold the same entry there, and the same before (Raft
 * §5.3). The second half follows from the first by induction once each such entry has one predecessor.
 */
export class LogMatching {
  readonly #logs: MemberLogs;
  /** By group: by index and term. */
  readonly #seen = new Map<number, Map<string, Seen>>();

  constructor(logs: MemberLogs) {
    this.#logs = logs;
  }

  observe(observation: Observation): Violation[] {
    // The survivor may count up to a term that the lost cluster had: their logs never meet.
    if (observation.kind === 'recovered') this.#seen.clear();
    if (observation.kind === 'restored') {
      const { snapshotIndex, snapshotTerm, entries } = observation;
      return this.#check(observation, observation.group, entries, (index) =>
        index === snapshotIndex ? snapshotTerm : null,
      );
    }
    if (observation.kind !== 'appended') return [];
    const { member, group, entries } = observation;
    const log = this.#logs.of(member, group);
    const first = entries[0];
    if (first !== undefined && (first.index > log.lastIndex + 1 || first.index <= log.snapshotIndex)) {
      const what = `member ${member} appended index ${first.index} of group ${group} to a log from ${log.snapshotIndex + 1} to ${log.lastIndex}`;
      return [misbehaved(NAME, what, [observation])];
    }
    return this.#check(observation, group, entries, (index) => log.termAt(index));
  }

  #check(
    observation: Observation,
    group: number,
    entries: readonly EntryRecord[],
    termBefore: (index: number) => number | null,
  ): Violation[] {
    const violations: Violation[] = [];
    let seen = this.#seen.get(group);
    if (seen === undefined) {
      seen = new Map();
      this.#seen.set(group, seen);
    }
    for (const [at, entry] of entries.entries()) {
      const before = entries[at - 1];
      const complain = (what: string, others: readonly Observation[]): void => {
        const where = `member ${observation.member}, group ${group}, index ${entry.index}, term ${entry.term}: `;
        violations.push(misbehaved(NAME, where + what, others));
      };
      if (before !== undefined && before.index + 1 !== entry.index)
        complain('does not follow its predecessor', [observation]);
      const previousTerm = before?.term ?? termBefore(entry.index - 1);
      if (previousTerm !== null && previousTerm > entry.term)
        complain(`follows term ${previousTerm}`, [observation]);
      const key = `${entry.index} ${entry.term}`;
      const other = seen.get(key);
      if (other === undefined) {
        seen.set(key, { hash: entry.hash, previousTerm, observation });
        continue;
      }
      if (other.hash !== entry.hash) {
        complain('has another content elsewhere', [other.observation, observation]);
      }
      if (other.previousTerm === null) other.previousTerm = previousTerm;
      else if (previousTerm !== null && other.previousTerm !== previousTerm) {
        complain(`follows term ${previousTerm} here and ${other.previousTerm} elsewhere`, [
          other.observation,
          observation,
        ]);
      }
    }
    return violations;
  }
}
