import type { EntryRecord, Observation } from '../history/observations.ts';

/** A log as a member shows it: contiguous behind its snapshot. */
export class MemberLog {
  snapshotIndex = 0;
  snapshotTerm = 0;
  entries: EntryRecord[] = [];
  /** The volume holds the log up to here. */
  durable = 0;
  commit = 0;
  applied = 0;

  get lastIndex(): number {
    return this.snapshotIndex + this.entries.length;
  }

  entry(index: number): EntryRecord | null {
    return this.entries[index - this.snapshotIndex - 1] ?? null;
  }

  /** Null: not in this log any more, or not yet. */
  termAt(index: number): number | null {
    if (index === 0) return 0;
    if (index === this.snapshotIndex) return this.snapshotTerm;
    return this.entry(index)?.term ?? null;
  }

  restore(snapshotIndex: number, snapshotTerm: number, entries: readonly EntryRecord[]): void {
    this.snapshotIndex = snapshotIndex;
    this.snapshotTerm = snapshotTerm;
    this.entries = [...entries];
    this.durable = this.lastIndex;
    this.commit = snapshotIndex;
    this.applied = snapshotIndex;
  }

  /** Discards what stands at the first one's index and behind. False: it leaves a hole. */
  append(entries: readonly EntryRecord[]): boolean {
    for (const entry of entries) {
      if (entry.index > this.lastIndex + 1 || entry.index <= this.snapshotIndex) return false;
      this.entries.length = entry.index - this.snapshotIndex - 1;
      this.entries.push(entry);
      if (this.durable >= entry.index) this.durable = entry.index - 1;
    }
    return true;
  }

  compact(firstIndex: number): void {
    const gone = firstIndex - 1 - this.snapshotIndex;
    if (gone <= 0) return;
    const term = this.termAt(firstIndex - 1);
    if (term === null) return;
    this.entries.splice(0, gone);
    this.snapshotIndex = firstIndex - 1;
    this.snapshotTerm = term;
  }
}

/** The logs of all members, by member and group, kept up with what they show. */
export class MemberLogs {
  readonly #logs = new Map<number, Map<number, MemberLog>>();

  of(member: number, group: number): MemberLog {
    let groups = this.#logs.get(member);
    if (groups === undefined) {
      groups = new Map();
      this.#logs.set(member, groups);
    }
    let log = groups.get(group);
    if (log === undefined) {
      log = new MemberLog();
      groups.set(group, log);
    }
    return log;
  }

  groupsOf(member: number): ReadonlyMap<number, MemberLog> {
    return this.#logs.get(member) ?? new Map();
  }

  /** After the checkers have looked at the observation, which compare it with what was. */
  follow(observation: Observation): void {
    switch (observation.kind) {
      case 'restored': {
        const log = this.of(observation.member, observation.group);
        log.restore(observation.snapshotIndex, observation.snapshotTerm, observation.entries);
        return;
      }
      case 'appended':
        this.of(observation.member, observation.group).append(observation.entries);
        return;
      case 'durable':
        this.of(observation.member, observation.group).durable = observation.index;
        return;
      case 'committed':
        this.of(observation.member, observation.group).commit = observation.index;
        return;
      case 'applied':
        this.of(observation.member, observation.group).applied = observation.index;
        return;
      case 'installed':
        this.of(observation.member, observation.group).restore(observation.index, observation.term, []);
        return;
      case 'compacted':
        this.of(observation.member, observation.group).compact(observation.firstIndex);
        return;
      case 'volumeLost':
        this.#logs.delete(observation.member);
        return;
      default:
    }
  }
}
