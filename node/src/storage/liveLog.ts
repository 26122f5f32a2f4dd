import type { GroupId, Term } from '@synccluster/client/protocol';
import type { Entry, HardState, RestoredState, SnapshotMeta } from '../raft/types.ts';
import { entryBytes, type LogRecord } from './walCodec.ts';

const NO_HARD_STATE: HardState = { term: 0 as Term, vote: 0 };

/** Entries from `from` up to the next run's first stand in `segment`. */
interface Run {
  from: number;
  segment: number;
}

/**
 * What of one group's log is still needed and in which segment it stands. Invariant: `entries` is contiguous
 * from `first`, and `first` is one behind the snapshot; runs are in index order, the first at `first`.
 */
class LiveGroup {
  hardState = NO_HARD_STATE;
  snapshot: SnapshotMeta | null = null;
  first = 1;
  /** The very objects that consensus holds too, so copying them forward needs no read. */
  entries: Entry[] = [];
  runs: Run[] = [];
  bytes = 0;

  get next(): number {
    return this.first + this.entries.length;
  }

  append(entries: readonly Entry[], segment: number): void {
    const start = entries[0]?.index ?? 0;
    if (start < this.first || start > this.next) {
      throw new RangeError(`entries from ${start} do not join a log of ${this.first} to ${this.next - 1}`);
    }
    this.#truncate(start);
    for (const [i, entry] of entries.entries()) {
      if (entry.index !== start + i) throw new RangeError(`entry ${entry.index} where ${start + i} belongs`);
      this.entries.push(entry);
      this.bytes += entryBytes(entry);
    }
    this.#addRun(this.runs.length, { from: start, segment });
  }

  /** Forgets what is at or below the snapshot. */
  raise(meta: SnapshotMeta): void {
    if (meta.index < this.first) return;
    const gone = Math.min(meta.index + 1 - this.first, this.entries.length);
    for (let i = 0; i < gone; i++) this.bytes -= entryBytes(this.entries[i] as Entry);
    this.entries.splice(0, gone);
    this.snapshot = meta;
    this.first = meta.index + 1;
    if (this.entries.length === 0) {
      this.runs = [];
      return;
    }
    while ((this.runs[1]?.from ?? Number.POSITIVE_INFINITY) <= this.first) this.runs.shift();
    (this.runs[0] as Run).from = this.first;
  }

  reset(meta: SnapshotMeta): void {
    this.snapshot = meta;
    this.first = meta.index + 1;
    this.entries = [];
    this.runs = [];
    this.bytes = 0;
  }

  /** Moves up to `bytes` (at least one entry) of a run of `segment` to `target`: the entries to copy. */
  move(segment: number, target: number, bytes: number): Entry[] {
    const at = this.runs.findIndex((run) => run.segment === segment);
    const run = this.runs[at];
    if (run === undefined) return [];
    const end = this.runs[at + 1]?.from ?? this.next;
    const moved: Entry[] = [];
    let left = bytes;
    for (let index = run.from; index < end && (left > 0 || moved.length === 0); index++) {
      const entry = this.entries[index - this.first] as Entry;
      moved.push(entry);
      left -= entryBytes(entry);
    }
    const from = run.from;
    if (from + moved.length === end) this.runs.splice(at, 1);
    else run.from += moved.length;
    this.#addRun(at, { from, segment: target });
    return moved;
  }

  #truncate(index: number): void {
    while (this.next > index) this.bytes -= entryBytes(this.entries.pop() as Entry);
    while ((this.runs.at(-1)?.from ?? 0) >= index) this.runs.pop();
  }

  #addRun(at: number, run: Run): void {
    if (this.runs[at - 1]?.segment === run.segment) return;
    this.runs.splice(at, 0, run);
  }
}

/** The live part of the whole log, in step with what has been written to it. */
export class LiveLog {
  readonly #groups = new Map<GroupId, LiveGroup>();

  #group(id: GroupId): LiveGroup {
    let group = this.#groups.get(id);
    if (group === undefined) {
      group = new LiveGroup();
      this.#groups.set(id, group);
    }
    return group;
  }

  /** Takes up a record that goes into `segment`; throws when it does not fit the log. */
  apply(record: LogRecord, segment: number): void {
    const group = this.#group(record.group);
    switch (record.type) {
      case 'entries':
        if (record.entries.length > 0) group.append(record.entries, segment);
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
      case 'copied':
        break;
    }
  }

  /** Takes up what recovery found; `segments` holds the segment of each entry. */
  restore(id: GroupId, state: RestoredState, segments: readonly number[]): void {
    const group = this.#group(id);
    group.hardState = state.hardState;
    if (state.snapshot !== null) group.reset(state.snapshot);
    for (let i = 0; i < state.entries.length; ) {
      let end = i + 1;
      while (end < segments.length && segments[end] === segments[i]) end++;
      group.append(state.entries.slice(i, end), segments[i] as number);
      i = end;
    }
  }

  openings(): LogRecord[] {
    return [...this.#groups].map(([group, live]) => ({
      type: 'opening',
      group,
      hardState: live.hardState,
      snapshot: live.snapshot,
    }));
  }

  get bytes(): number {
    let bytes = 0;
    for (const group of this.#groups.values()) bytes += group.bytes;
    return bytes;
  }

  livesIn(segment: number): boolean {
    for (const group of this.#groups.values()) {
      if (group.runs.some((run) => run.segment === segment)) return true;
    }
    return false;
  }

  /** Moves about `bytes` of live entries from one segment to another: the records that copy them. */
  move(from: number, to: number, bytes: number): LogRecord[] {
    const records: LogRecord[] = [];
    let left = bytes;
    for (const [group, live] of this.#groups) {
      while (left > 0) {
        const entries = live.move(from, to, left);
        if (entries.length === 0) break;
        for (const entry of entries) left -= entryBytes(entry);
        records.push({ type: 'copied', group, entries });
      }
    }
    return records;
  }
}
