import { EntryKind } from '../../../src/raft/types.ts';
import type { EntryRecord, Observation } from '../../history/observations.ts';
import { ObservationChecker } from '../observationChecker.ts';
import type { Violation } from '../violation.ts';

type Unstamped<O> = O extends unknown ? Omit<O, 'order' | 'worldMs' | 'member'> : never;

/** The content of a log entry is its term and index, unless told otherwise. */
export function entry(index: number, term: number, hash = index * 1_000 + term): EntryRecord {
  return { index, term, kind: EntryKind.Commands, hash };
}

/** Lets members show things, one after the other, and collects what the checkers say. */
export class Members {
  readonly violations: Violation[] = [];
  readonly observations: Observation[] = [];
  readonly #checker = new ObservationChecker();

  /** A moment later than what was shown before, or in the same one. */
  show(member: number, what: Unstamped<Observation>, when: 'later' | 'at once' = 'later'): this {
    const order = this.observations.length + 1;
    const worldMs = when === 'later' ? order : (this.observations.at(-1)?.worldMs ?? order);
    const observation = { order, worldMs, member, ...what } as Observation;
    this.observations.push(observation);
    this.violations.push(...this.#checker.observe(observation));
    return this;
  }

  /** Takes the entries into its log and onto its disk. */
  writes(member: number, ...entries: readonly EntryRecord[]): this {
    this.show(member, { kind: 'appended', group: 0, entries });
    return this.show(member, { kind: 'durable', group: 0, index: entries.at(-1)!.index });
  }

  commits(member: number, index: number, term: number): this {
    return this.show(member, { kind: 'committed', group: 0, index, term });
  }

  applies(member: number, index: number, stateHash: number | null = null): this {
    return this.show(member, { kind: 'applied', group: 0, index, stateHash });
  }

  leads(member: number, term: number, voters: readonly number[] = [1, 2, 3]): this {
    return this.show(member, { kind: 'role', group: 0, term, role: 'leader', voters });
  }

  votes(member: number, term: number, vote: number): this {
    return this.show(member, { kind: 'voted', group: 0, term, vote });
  }

  returns(member: number, entries: readonly EntryRecord[], term = 1, vote = 0): this {
    this.show(member, { kind: 'stopped', why: 'crashed' });
    this.show(member, { kind: 'started', ordinal: member });
    return this.show(member, {
      kind: 'restored',
      group: 0,
      term,
      vote,
      snapshotIndex: 0,
      snapshotTerm: 0,
      entries,
    });
  }

  get verdicts(): string[] {
    return this.violations.map(({ checker }) => checker);
  }
}
