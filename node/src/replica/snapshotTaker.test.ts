import type { GroupId, LogIndex, StampMs, Term } from '@synccluster/client/protocol';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { type Entry, EntryKind, type SnapshotMeta } from '../raft/types.ts';
import type { GroupContext } from './context.ts';
import type { Group } from './group.ts';
import { SnapshotTaker } from './snapshotTaker.ts';

const entry: Entry = {
  index: 1 as LogIndex,
  term: 1 as Term,
  kind: EntryKind.Commands,
  stampMs: 1 as StampMs,
  data: new Uint8Array(10),
  configuration: null,
};

function setup() {
  const steps: string[] = [];
  const commit = Promise.withResolvers<void>();
  const group = {
    id: 1 as GroupId,
    applied: 500,
    appliedTerm: 1,
    stampMs: 1,
    appliedConfiguration: { voters: [], learners: [] },
    snapshotIndex: 0,
    machine: { freeze: () => ({ next: () => null, release: () => steps.push('release') }) },
    compact: (meta: SnapshotMeta) => steps.push(`compact ${meta.index}`),
  };
  const writer = {
    write: async () => {},
    commit: () => {
      steps.push('commit');
      return commit.promise;
    },
    abort: async () => {
      steps.push('abort');
    },
  };
  const context = {
    tuning: { snapshotEntries: 1, snapshotBytes: 1 },
    snapshots: { create: async () => writer },
    logger: pino({ level: 'silent' }),
    fatal: (error: unknown) => steps.push(String(error)),
  } as unknown as GroupContext;
  const taker = new SnapshotTaker(group as unknown as Group, context);
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { group, taker, steps, commit, settle };
}

describe('SnapshotTaker', () => {
  it('compacts the log once the snapshot is synced, and not before', async () => {
    const { taker, steps, commit, settle } = setup();
    taker.applied(entry);
    taker.maybeStart();
    await settle();
    expect(steps).toEqual(['commit']);
    commit.resolve();
    await settle();
    expect(steps).toEqual(['commit', 'release', 'compact 500']);
  });

  it.each(['before', 'while'])(
    'gives way to one from the leader that came %s it was synced',
    async (when) => {
      const { group, taker, steps, commit, settle } = setup();
      taker.applied(entry);
      taker.maybeStart();
      if (when === 'before') group.snapshotIndex = 1_000;
      await settle();
      group.snapshotIndex = 1_000;
      commit.resolve();
      await settle();
      expect(steps.filter((step) => step.startsWith('compact'))).toEqual([]);
      expect(steps).toContain('release');
    },
  );
});
