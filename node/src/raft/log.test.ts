import type { LogIndex, StampMs, Term } from '@synccluster/client/protocol';
import { describe, expect, test } from 'vitest';
import { InvariantError } from './invariant.ts';
import { isWellFormed, RaftLog } from './log.ts';
import { configurationOf, entryOf, member, seeded } from './testing/network.ts';
import type { AppendRequest, Entry, SnapshotMeta } from './types.ts';

/** Entry i has the i-th term. */
function logOf(terms: readonly number[]): RaftLog {
  const entries = terms.map((term, i) => entryOf(i + 1, term));
  return new RaftLog({ hardState: { term: 99 as Term, vote: 0 }, snapshot: null, entries });
}
function metaOf(index: number, term: number): SnapshotMeta {
  return {
    index: index as LogIndex,
    term: term as Term,
    stampMs: 0 as StampMs,
    configuration: configurationOf([]),
  };
}
const indexes = (entries: readonly Entry[]): number[] => entries.map((entry) => entry.index);

describe('log matching (Raft §5.3)', () => {
  test('agreeing entries are kept, a stale append does not shorten the log', () => {
    const log = logOf([1, 1, 2, 2]);
    log.merge([entryOf(2, 1), entryOf(3, 2)]);
    expect(log.last).toBe(4);
    expect(log.takeUnstable()).toEqual([]);
  });

  test('the first conflicting entry and all behind it are replaced', () => {
    const log = logOf([1, 1, 2, 2]);
    log.merge([entryOf(2, 1), entryOf(3, 3)]);
    expect([log.last, log.lastTerm, log.durable]).toEqual([3, 3, 2]);
    expect(indexes(log.takeUnstable())).toEqual([3]);
  });

  test('a committed entry is never replaced', () => {
    const log = logOf([1, 1, 2]);
    log.commitTo(3);
    expect(() => log.merge([entryOf(3, 4)])).toThrow(InvariantError);
  });

  test('what breaks the order is refused by the log itself', () => {
    const log = logOf([1, 3]);
    expect(() => log.append(entryOf(4, 3))).toThrow('out of order');
    expect(() => log.append(entryOf(3, 2))).toThrow('term below');
    log.append(entryOf(3, 3, { stampMs: 50 as StampMs }));
    expect(() => log.append(entryOf(4, 3, { stampMs: 49 as StampMs }))).toThrow('stamp below');
    expect(() => log.commitTo(9)).toThrow('its disk lost them');
  });

  test.each([
    ['a gap', [entryOf(6, 2), entryOf(8, 2)]],
    ['a wrong start', [entryOf(7, 2)]],
    ['a falling term', [entryOf(6, 3), entryOf(7, 2)]],
    ['a term below the previous', [entryOf(6, 1)]],
    ['a term above the message', [entryOf(6, 5)]],
    ['a configuration without one', [entryOf(6, 2, { kind: 2 })]],
  ])('an append with %s is not well formed', (_, entries) => {
    const append: AppendRequest = {
      type: 'append',
      from: member(1),
      to: member(2),
      term: 4 as Term,
      prevIndex: 5 as LogIndex,
      prevTerm: 2 as Term,
      commit: 0 as LogIndex,
      entries,
    };
    expect(isWellFormed(append)).toBe(false);
    expect(isWellFormed({ ...append, entries: [entryOf(6, 2), entryOf(7, 4)] })).toBe(true);
  });
});

describe('conflict by term (Raft §5.3)', () => {
  test('finds the last entry whose term is not above', () => {
    const log = logOf([1, 1, 3, 3, 5]);
    expect(log.findConflictByTerm(5, 4)).toEqual({ index: 4, term: 3 });
    expect(log.findConflictByTerm(9, 9)).toEqual({ index: 5, term: 5 });
    expect(log.findConflictByTerm(4, 2)).toEqual({ index: 2, term: 1 });
    expect(log.findConflictByTerm(3, 0)).toEqual({ index: 0, term: 0 });
  });

  test('agrees with a walk along any log', () => {
    const random = seeded(3);
    for (let run = 0; run < 300; run += 1) {
      const terms: number[] = [];
      for (let term = 1; terms.length < 12; term += Math.floor(random() * 3)) terms.push(term);
      const index = Math.floor(random() * 13);
      const term = Math.floor(random() * 14);
      let walked = index;
      while (walked > 0 && terms[walked - 1]! > term) walked -= 1;
      expect(logOf(terms).findConflictByTerm(index, term).index).toBe(walked);
    }
  });
});

describe('marks', () => {
  test('a slice is bounded by bytes, and one entry always goes', () => {
    const log = logOf([]);
    for (let i = 1; i <= 4; i += 1) log.append(entryOf(i, 1, { data: new Uint8Array(100) }));
    expect(indexes(log.slice(2, 1))).toEqual([2]);
    expect(indexes(log.slice(1, 300))).toEqual([1, 2]);
    expect(log.slice(5, 300)).toEqual([]);
  });

  test('only what is committed and durable is handed out, once', () => {
    const log = logOf([1]);
    log.append(entryOf(2, 1));
    log.append(entryOf(3, 1));
    log.takeUnstable();
    log.commitTo(3);
    expect(indexes(log.takeCommitted())).toEqual([1]);
    expect(log.persisted(3, 1)).toBe(true);
    expect(indexes(log.takeCommitted())).toEqual([2, 3]);
    expect(log.takeCommitted()).toEqual([]);
  });

  test('a late report of a replaced write counts only up to where it was replaced', () => {
    const log = logOf([1]);
    log.append(entryOf(2, 1));
    log.append(entryOf(3, 1));
    log.takeUnstable();
    log.merge([entryOf(3, 2)]);
    log.takeUnstable();
    log.persisted(3, 1);
    expect(log.durable).toBe(2);
    log.persisted(3, 2);
    expect(log.durable).toBe(3);
  });

  test('an entry written, replaced and written again is durable with its last write only (ABA)', () => {
    const log = logOf([1, 1]);
    const [a, b, c] = [entryOf(3, 1), entryOf(3, 2), entryOf(3, 1)];
    log.append(a);
    log.takeUnstable();
    log.merge([b]);
    log.takeUnstable();
    // Entry (3, 1) again: it was the one that a quorum had.
    log.merge([c, entryOf(4, 3)]);
    log.takeUnstable();
    log.persisted(3, 1);
    expect(log.durable).toBe(2);
    log.persisted(4, 3); // Not the oldest write under way.
    expect(log.durable).toBe(2);
    log.persisted(3, 2);
    expect(log.durable).toBe(2);
    log.persisted(4, 3);
    expect(log.durable).toBe(4);
  });
});

describe('compaction', () => {
  test('keeps what slow peers may need, and the term before it', () => {
    const log = logOf([1, 1, 2, 2, 3]);
    log.commitTo(5);
    log.takeCommitted();
    log.appliedTo(5);
    log.compact(metaOf(4, 2), 3);
    expect([log.first, log.last, log.snapshotIndex]).toEqual([3, 5, 4]);
    expect(log.termAt(2)).toBe(1);
    expect(log.termAt(1)).toBeNull();
    expect(indexes(log.slice(3, 1000))).toEqual([3, 4, 5]);
    log.append(entryOf(6, 3));
    expect(indexes(log.takeUnstable())).toEqual([6]);
    log.compact(metaOf(2, 1), 1); // Late: changes nothing.
    expect(log.snapshotIndex).toBe(4);
  });

  test.each([
    ['is ahead of what was applied', metaOf(3, 1), 1],
    ['names a wrong term', metaOf(2, 7), 1],
    ['does not hold what is compacted', metaOf(2, 1), 4],
    ['names a configuration never in force', { ...metaOf(2, 1), configuration: configurationOf([7]) }, 1],
  ])('is refused for a snapshot that %s', (_, meta, keepFrom) => {
    const log = logOf([1, 1, 1]);
    log.commitTo(3);
    log.takeCommitted();
    log.appliedTo(2);
    expect(() => log.compact(meta, keepFrom)).toThrow(InvariantError);
  });

  test('a received snapshot replaces the whole log', () => {
    const log = logOf([1, 1]);
    log.append(entryOf(3, 1));
    log.takeUnstable();
    log.reset({ ...metaOf(9, 4), configuration: configurationOf([1, 2]) });
    expect([log.first, log.last, log.lastTerm, log.commit, log.durable]).toEqual([10, 9, 4, 9, 9]);
    expect(log.configurations.current).toEqual(configurationOf([1, 2]));
    log.persisted(3, 1); // Of the old log.
    expect(log.durable).toBe(9);
    expect(() => log.reset(metaOf(8, 4))).toThrow(InvariantError);
  });
});
