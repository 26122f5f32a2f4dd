import type { GroupId, Term } from '@synccluster/client/protocol';
import type { Entry, HardState, RestoredState, SnapshotMeta } from '../raft/types.ts';
import type { LogRecord } from './walCodec.ts';

interface Placed {
  readonly entry: Entry;
  readonly segment: number;
}

/** A group as it came out of the log, with the segment of each entry. */
export interface ReplayedGroup {
  readonly state: RestoredState;
  readonly segments: readonly number[];
  /** Index of an entry that is missing below others: the log has lost something. */
  readonly gap: number | null;
}

/**
 * One group while its records are replayed. Entries are kept by index, with holes: the oldest segment may begin
 * in the middle of what a later snapshot covers, and copied entries come after the ones that follow them.
 */
class Replay {
  hardState: HardState = { term: 0 as Term, vote: 0 };
  snapshot: SnapshotMeta | null = null;
  readonly #entries = new Map<number, Placed>();
  #last = 0;

  append(entries: readonly Entry[], segment: number): void {
    const start = entries[0]?.index ?? 0;
    for (let index = start; index <= this.#last; index++) this.#entries.delete(index);
    for (const entry of entries) this.#entries.set(entry.index, { entry, segment });
    this.#last = entries.at(-1)?.index ?? this.#last;
  }

  fill(entries: readonly Entry[], segment: number): void {
    for (const entry of entries) {
      const present = this.#entries.get(entry.index);
      if (present !== undefined && present.entry.term !== entry.term) {
        throw new RangeError(`copy of entry ${entry.index} differs from the one it copies`);
      }
      // The newest place counts: the older segment may go at any time.
      this.#entries.set(entry.index, { entry, segment });
      this.#last = Math.max(this.#last, entry.index);
    }
  }

  raise(meta: SnapshotMeta): void {
    if (this.snapshot !== null && meta.index <= this.snapshot.index) return;
    this.snapshot = meta;
    for (const index of [...this.#entries.keys()]) {
      if (index <= meta.index) this.#entries.delete(index);
    }
    this.#last = Math.max(this.#last, meta.index);
  }

  reset(meta: SnapshotMeta): void {
    this.#entries.clear();
    this.snapshot = meta;
    this.#last = meta.index;
  }

  finish(): ReplayedGroup {
    const entries: Entry[] = [];
    const segments: number[] = [];
    const first = (this.snapshot?.index ?? 0) + 1;
    let gap: number | null = null;
    for (let index = first; index <= this.#last; index++) {
      const placed = this.#entries.get(index);
      if (placed === undefined) {
        gap = index;
        break;
      }
      entries.push(placed.entry);
      segments.push(placed.segment);
    }
    return { state: { hardState: this.hardState, snapshot: this.snapshot, entries }, segments, gap };
  }
}

/** The groups of a log while it is read. */
export class LogReplay {
  readonly #groups = new Map<GroupId, Replay>();

  apply(record: LogRecord, segment: number): void {
    let group = this.#groups.get(record.group);
    if (group === undefined) {
      group = new Replay();
      this.#groups.set(record.group, group);
    }
    switch (record.type) {
      case 'entries':
        if (record.entries.length > 0) group.append(record.entries, segment);
        break;
      case 'copied':
        group.fill(record.entries, segment);
        break;
      case 'hardState':
        group.hardState = record.hardState;
        break;
      case 'compact':
        group.raise(record.meta);
        break;
      case 'reset':
        group.reset(record.meta);
        break;
      case 'opening':
        group.hardState = record.hardState;
        if (record.snapshot !== null) group.raise(record.snapshot);
        break;
    }
  }

  finish(): Map<GroupId, ReplayedGroup> {
    return new Map([...this.#groups].map(([id, group]) => [id, group.finish()]));
  }
}
