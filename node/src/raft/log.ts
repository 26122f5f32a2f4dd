import type { LogIndex, StampMs, Term } from '@synccluster/client/protocol';
import { ConfigurationHistory, EMPTY_CONFIGURATION, sameConfiguration } from './configuration.ts';
import { assert } from './invariant.ts';
import type { AppendRequest, Entry, RestoredState, SnapshotMeta } from './types.ts';
import { EntryKind } from './types.ts';
import { WriteQueue } from './writeQueue.ts';

/** What an entry costs besides its payload in messages and memory: keeps windows of empty entries bounded too. */
const ENTRY_OVERHEAD_BYTES = 32;

export function entryBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

/** An index of the log and the term there. */
export interface Position {
  readonly index: number;
  readonly term: number;
}

/**
 * The log behind the entries that were compacted away, and how far each of its marks has come:
 *
 *   compacted ≤ applied ≤ handed ≤ min(commit, durable);  commit ≤ last;  durable < unstable ≤ last + 1
 *
 * `handed` is what went out to be applied; `unstable` the first entry not yet handed out to be written.
 */
export class RaftLog {
  readonly configurations: ConfigurationHistory;
  /** Entry `i` is at `entries[i - compacted - 1]`. */
  private entries: Entry[] = [];
  private compacted = 0;
  private compactedTerm = 0;
  private compactedStampMs = 0;
  private unstable = 1;
  private readonly writes = new WriteQueue();
  private handed = 0;
  /** Index of the newest local snapshot: what a peer gets when its next entry is gone. */
  snapshotIndex = 0;
  durable = 0;
  commit = 0;
  applied = 0;

  constructor(restored: RestoredState) {
    const { snapshot } = restored;
    this.configurations = new ConfigurationHistory(
      snapshot?.index ?? 0,
      snapshot?.configuration ?? EMPTY_CONFIGURATION,
    );
    if (snapshot !== null) this.startAt(snapshot);
    for (const entry of restored.entries) this.append(entry);
    assert(restored.hardState.term >= this.lastTerm, 'the restored log is ahead of the restored term');
    this.durable = this.last;
    this.unstable = this.last + 1;
  }

  get first(): number {
    return this.compacted + 1;
  }
  get last(): number {
    return this.compacted + this.entries.length;
  }
  get lastTerm(): number {
    return this.entries.length === 0 ? this.compactedTerm : this.entries[this.entries.length - 1]!.term;
  }
  get lastStampMs(): number {
    return this.entries.length === 0 ? this.compactedStampMs : this.entries[this.entries.length - 1]!.stampMs;
  }

  /** Null: compacted away, or not there yet. Index 0 has term 0. */
  termAt(index: number): number | null {
    if (index === this.compacted) return this.compactedTerm;
    const entry = this.entries[index - this.compacted - 1];
    return entry === undefined ? null : entry.term;
  }

  at(index: number): Entry {
    const entry = this.entries[index - this.compacted - 1];
    assert(entry !== undefined, 'an entry was read that the log does not hold');
    return entry;
  }

  /** Raft §5.4.1. */
  isUpToDate(index: number, term: number): boolean {
    return term > this.lastTerm || (term === this.lastTerm && index >= this.last);
  }

  append(entry: Entry): void {
    assert(entry.index === this.last + 1, 'an entry was appended out of order');
    assert(entry.term >= this.lastTerm, 'an entry was appended with a term below the last');
    assert(entry.stampMs >= this.lastStampMs, 'an entry was appended with a stamp below the last');
    this.entries.push(entry);
    if (entry.kind === EntryKind.Configuration) {
      assert(entry.configuration !== null, 'a configuration entry holds no configuration');
      this.configurations.append(entry.index, entry.configuration);
    }
  }

  /** Takes entries that follow a matching position: keeps what agrees, replaces from the first that does not. */
  merge(entries: readonly Entry[]): void {
    let known = 0;
    while (known < entries.length && this.termAt(entries[known]!.index) === entries[known]!.term) known += 1;
    if (known === entries.length) return;
    const conflict = entries[known]!.index;
    if (conflict <= this.last) this.truncateFrom(conflict);
    for (let i = known; i < entries.length; i += 1) this.append(entries[i]!);
  }

  private truncateFrom(index: number): void {
    assert(index > this.commit, 'a leader contradicts a committed entry');
    this.entries.length = index - this.compacted - 1;
    this.configurations.truncateFrom(index);
    this.writes.truncateFrom(index);
    this.durable = Math.min(this.durable, index - 1);
    this.unstable = Math.min(this.unstable, index);
  }

  /**
   * The last position at or before `index` whose term is not above `term`: the furthest at which another log with
   * that position can agree with this one. Terms never fall along a log, so it is found by bisection.
   */
  findConflictByTerm(index: number, term: number): Position {
    let low = this.compacted;
    let high = Math.min(index, this.last);
    if (high < low) return { index: high, term: 0 };
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.entries[middle - this.compacted - 1]!.term <= term) low = middle;
      else high = middle - 1;
    }
    return { index: low, term: this.termAt(low)! };
  }

  /** From `from` on while the sizes fit into `maxBytes`; one entry at least, when there is one. */
  slice(from: number, maxBytes: number): Entry[] {
    const start = from - this.compacted - 1;
    let end = start;
    let bytes = 0;
    while (end < this.entries.length) {
      bytes += entryBytes(this.entries[end]!);
      if (bytes > maxBytes && end > start) break;
      end += 1;
    }
    return this.entries.slice(start, end);
  }

  /** Sizes of the entries in (after, upTo]. */
  bytesBetween(after: number, upTo: number): number {
    let bytes = 0;
    for (let index = after + 1; index <= upTo; index += 1) bytes += entryBytes(this.at(index));
    return bytes;
  }

  commitTo(index: number): void {
    assert(index <= this.last, 'entries were committed that this member no longer has: its disk lost them');
    if (index > this.commit) this.commit = index;
  }

  takeUnstable(): Entry[] {
    if (this.unstable > this.last) return [];
    const entries = this.entries.slice(this.unstable - this.compacted - 1);
    this.unstable = this.last + 1;
    this.writes.push(this.last, this.lastTerm);
    return entries;
  }

  /** Whether the durable mark moved. */
  persisted(index: number, term: number): boolean {
    const durable = this.writes.complete(index, term);
    if (durable <= this.durable) return false;
    this.durable = durable;
    return true;
  }

  takeCommitted(): Entry[] {
    const upTo = Math.min(this.commit, this.durable);
    if (upTo <= this.handed) return [];
    const entries = this.entries.slice(this.handed - this.compacted, upTo - this.compacted);
    this.handed = upTo;
    return entries;
  }

  appliedTo(index: number): void {
    assert(index <= this.handed, 'more was applied than had been handed out');
    if (index > this.applied) this.applied = index;
  }

  /** A local snapshot holds everything up to `meta.index`; entries from `keepFrom` on stay for slow peers. */
  compact(meta: SnapshotMeta, keepFrom: number): void {
    if (meta.index <= this.snapshotIndex) return;
    assert(meta.index <= this.applied, 'a snapshot is ahead of what was applied');
    assert(keepFrom <= meta.index + 1, 'entries that no snapshot holds were to be compacted');
    assert(this.termAt(meta.index) === meta.term, 'a snapshot names a term that its index does not have');
    assert(
      sameConfiguration(this.configurations.at(meta.index), meta.configuration),
      'a snapshot names a configuration that was not in force at its index',
    );
    this.snapshotIndex = meta.index;
    this.configurations.forgetBefore(meta.index);
    if (keepFrom <= this.first) return;
    const boundary = this.at(keepFrom - 1);
    this.entries = this.entries.slice(keepFrom - this.first);
    this.compacted = boundary.index;
    this.compactedTerm = boundary.term;
    this.compactedStampMs = boundary.stampMs;
  }

  /** A received snapshot replaces the whole log. */
  reset(meta: SnapshotMeta): void {
    assert(meta.index > this.commit, 'a snapshot would take committed entries back');
    this.entries = [];
    this.writes.clear();
    this.configurations.reset(meta.index, meta.configuration);
    this.startAt(meta);
  }

  private startAt(meta: SnapshotMeta): void {
    this.compacted = meta.index;
    this.compactedTerm = meta.term;
    this.compactedStampMs = meta.stampMs;
    this.snapshotIndex = meta.index;
    this.unstable = meta.index + 1;
    this.durable = meta.index;
    this.commit = meta.index;
    this.handed = meta.index;
    this.applied = meta.index;
  }
}

/** Whether an append's entries follow each other and the position before them, as entries of one log do. */
export function isWellFormed(append: AppendRequest): boolean {
  let index: number = append.prevIndex;
  let term: number = append.prevTerm;
  for (const entry of append.entries) {
    index += 1;
    if (entry.index !== index || entry.term < term) return false;
    if ((entry.kind === EntryKind.Configuration) !== (entry.configuration !== null)) return false;
    term = entry.term;
  }
  return term <= append.term;
}

export function makeEntry(
  index: number,
  term: number,
  stampMs: number,
  rest: Pick<Entry, 'kind' | 'data' | 'configuration'>,
): Entry {
  return {
    index: index as LogIndex,
    term: term as Term,
    kind: rest.kind,
    stampMs: stampMs as StampMs,
    data: rest.data,
    configuration: rest.configuration,
  };
}
