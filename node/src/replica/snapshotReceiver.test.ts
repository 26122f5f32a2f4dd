import type { GroupId, LogIndex, MemberId, StampMs, Term } from '@synccluster/client/protocol';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { SnapshotMeta } from '../raft/types.ts';
import type { PeerMessage, SnapshotChunk } from '../transport/transport.ts';
import type { GroupContext } from './context.ts';
import type { Group } from './group.ts';
import { SnapshotReceiver } from './snapshotReceiver.ts';

const OLD = 7 as MemberId;
const NEW = 8 as MemberId;

function chunkAt(index: number, transfer = 1): SnapshotChunk {
  const meta: SnapshotMeta = {
    index: index as LogIndex,
    term: 1 as Term,
    stampMs: 1 as StampMs,
    configuration: { voters: [], learners: [] },
  };
  return {
    kind: 'snapshotChunk',
    group: 2 as GroupId,
    term: 1 as Term,
    meta,
    transfer,
    sequence: 0,
    data: new Uint8Array(1),
    last: true,
  };
}

function setup() {
  const steps: string[] = [];
  const acks: string[] = [];
  /** One for each commit under way, oldest first. */
  const commits: (() => void)[] = [];
  let newest: SnapshotMeta | null = null;
  const disk = { written: Promise.resolve() };
  const group = {
    id: 2 as GroupId,
    applied: 10,
    installing: false,
    ignores: false,
    core: {
      step: ({ meta }: { meta: SnapshotMeta }) => {
        if (group.ignores) return;
        steps.push(`install ${meta.index}`);
        group.installing = true;
      },
    },
  };
  const context = {
    self: { id: 1 },
    logger: pino({ level: 'silent' }),
    snapshots: {
      create: async (_: GroupId, meta: SnapshotMeta) => ({
        write: () => disk.written,
        commit: async () => {
          await new Promise<void>((resolve) => commits.push(resolve));
          if (newest !== null && newest.index > meta.index) return newest;
          steps.push(`newest ${meta.index}`);
          newest = meta;
          return meta;
        },
        abort: async () => {
          steps.push(`abort ${meta.index}`);
        },
      }),
    },
    send: (to: MemberId, message: PeerMessage) => {
      if (message.kind === 'snapshotAck') acks.push(`${to} ${message.ok ? 'ok' : 'refused'}`);
    },
    wake: () => {},
  } as unknown as GroupContext;
  const receiver = new SnapshotReceiver(group as unknown as Group, context);
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { group, receiver, steps, acks, commits, disk, settle };
}

describe('SnapshotReceiver', () => {
  it('lets no other snapshot become the newest between putting one in place and installing it', async () => {
    const { receiver, steps, acks, commits, settle } = setup();
    receiver.take(OLD, chunkAt(82));
    await settle();
    // The next leader sends its own while the first is being synced.
    receiver.take(NEW, chunkAt(95));
    await settle();
    for (const commit of commits) commit();
    await settle();
    expect(steps).toEqual(['newest 82', 'install 82']);
    expect(acks).toEqual([`${NEW} refused`, `${OLD} ok`]);
  });

  it('refuses others until the one that is put in place is installed', async () => {
    const { group, receiver, steps, acks, commits, settle } = setup();
    receiver.take(OLD, chunkAt(82));
    await settle();
    commits[0]?.();
    await settle();
    receiver.take(NEW, chunkAt(95));
    await settle();
    expect(steps).toEqual(['newest 82', 'install 82']);
    expect(acks).toEqual([`${OLD} ok`, `${NEW} refused`]);
    group.installing = false;
    receiver.take(NEW, chunkAt(95, 2));
    await settle();
    commits[1]?.();
    await settle();
    expect(steps).toEqual(['newest 82', 'install 82', 'newest 95', 'install 95']);
  });

  it('gives one up, even its last chunk, when another takes its place', async () => {
    const { receiver, steps, commits, disk, settle } = setup();
    const slow = Promise.withResolvers<void>();
    disk.written = slow.promise;
    receiver.take(OLD, chunkAt(82));
    await settle();
    receiver.take(NEW, { ...chunkAt(95), last: false });
    slow.resolve();
    await settle();
    receiver.take(NEW, { ...chunkAt(95), sequence: 1 });
    await settle();
    for (const commit of commits) commit();
    await settle();
    expect(steps).toEqual(['abort 82', 'newest 95', 'install 95']);
  });

  it('installs what is in place when that is newer, of a leader whom the core no longer heard', async () => {
    const { group, receiver, steps, commits, settle } = setup();
    group.ignores = true;
    receiver.take(OLD, chunkAt(87));
    await settle();
    commits[0]?.();
    await settle();
    group.ignores = false;
    receiver.take(NEW, chunkAt(82));
    await settle();
    commits[1]?.();
    await settle();
    expect(steps).toEqual(['newest 87', 'install 87']);
  });

  it('puts nothing in place that is older than what was applied meanwhile', async () => {
    const { group, receiver, steps, settle } = setup();
    group.applied = 90;
    receiver.take(OLD, chunkAt(82));
    await settle();
    expect(steps).toEqual(['abort 82', 'install 82']);
  });
});
