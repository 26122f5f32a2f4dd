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
  const now = { ms: 0 };
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
    tuning: { snapshotEntries: 1, snapshotBytes: 1, keptEntries: 2_000 },
    snapshots: { create: async () => writer },
    logger: pino({ level: 'silent' }),
    disk: {
      refuses: () => false,
      refusing: false,
      pressed: false,
      snapshotRunning: false,
      wroteSnapshot: () => {},
    },
    nowMs: () => now.ms,
    fatal: (error: unknown) => steps.push(String(error)),
  } as unknown as GroupContext;
  const taker = new SnapshotTaker(group as unknown as Group, context);
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { group, taker, steps, commit, settle, writer, now, context };
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

  it('gives up for want of room, keeps the log, and tries again later and later', async () => {
    const { taker, steps, settle, writer, now } = setup();
    let attempts = 0;
    writer.write = async () => {};
    writer.commit = async () => {
      attempts += 1;
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    };
    taker.applied(entry);
    const attemptsAt = async (ms: number): Promise<number> => {
      now.ms = ms;
      taker.maybeStart();
      await settle();
      return attempts;
    };
    expect(await attemptsAt(0)).toBe(1);
    expect(steps).toEqual(['abort', 'release']);
    expect(taker.loggedBytes).toBe(entry.data.length);
    expect(await attemptsAt(999)).toBe(1);
    expect(await attemptsAt(1_000)).toBe(2);
    expect(await attemptsAt(2_999)).toBe(2);
    expect(await attemptsAt(3_000)).toBe(3);
    writer.commit = async () => {
      steps.push('commit');
    };
    await attemptsAt(7_000);
    expect(steps.slice(-3)).toEqual(['commit', 'release', 'compact 500']);
    expect(taker.loggedBytes).toBe(0);
  });

  it('ends the process for any other failure', async () => {
    const { taker, steps, settle, writer } = setup();
    writer.commit = async () => {
      throw Object.assign(new Error('bad disk'), { code: 'EIO' });
    };
    taker.applied(entry);
    taker.maybeStart();
    await settle();
    expect(steps).toContain('Error: bad disk');
  });

  it('comes early while space runs low, one on a member at a time', async () => {
    const { taker, steps, commit, settle, context } = setup();
    commit.resolve();
    Object.assign(context.tuning, { snapshotEntries: 1_000, snapshotBytes: 1_000_000 });
    const disk = context.disk as { pressed: boolean; snapshotRunning: boolean };
    taker.applied(entry);
    taker.maybeStart();
    disk.pressed = true;
    disk.snapshotRunning = true;
    taker.maybeStart();
    await settle();
    expect(steps).toEqual([]);
    disk.snapshotRunning = false;
    taker.maybeStart();
    expect(disk.snapshotRunning).toBe(true);
    await settle();
    await settle();
    expect(steps).toContain('compact 500');
    expect(disk.snapshotRunning).toBe(false);
  });
});
