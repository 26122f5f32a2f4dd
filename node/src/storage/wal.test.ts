import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { GroupId, LogIndex, MemberId, StampMs, Term } from '@synccluster/client/protocol';
import { expect, test } from 'vitest';
import { type Entry, EntryKind } from '../raft/types.ts';
import type { WalRecord } from './storage.ts';
import {
  compactRecord,
  entriesRecord,
  entry,
  G0,
  G1,
  G2,
  log,
  metaAt,
  openFiles,
  takeSnapshot,
  temporaryDirectory,
  watchedOps,
  written,
} from './testing/storageFixture.ts';

function hardState(group: GroupId, term: number, vote: number): WalRecord {
  return { type: 'hardState', group, hardState: { term: term as Term, vote: vote as MemberId | 0 } };
}

test('what was durable is there after reopening, field for field', async () => {
  using directory = temporaryDirectory();
  const configuration = metaAt(1).configuration;
  const entries: Entry[] = [
    { ...entry(1, 3, ''), kind: EntryKind.Empty },
    { ...entry(2, 3, ''), kind: EntryKind.Configuration, configuration },
    entry(3, 3, Buffer.from([0, 255, 1])),
    entry(4, 3, Buffer.alloc(1024 * 1024, 'large')),
    { ...entry(5, 3), stampMs: (2 ** 52) as StampMs, index: 5 as LogIndex },
  ];
  {
    await using opened = await openFiles(directory.path);
    await written(opened.storage, hardState(G0, 3, 281_474_976_710_655), {
      type: 'entries',
      group: G0,
      entries,
    });
  }
  await using again = await openFiles(directory.path);
  const state = again.storage.recovered.groups.get(G0);
  expect(again.storage.recovered.damage).toBeNull();
  expect(again.storage.recovered.tornBytes).toBe(0);
  expect(state?.hardState).toEqual({ term: 3, vote: 281_474_976_710_655 });
  expect(state?.snapshot).toBeNull();
  const plain = (list: readonly Entry[] | undefined) =>
    list?.map((e) => ({ ...e, data: Buffer.from(e.data).toString('base64') }));
  expect(plain(state?.entries)).toEqual(plain(entries));
});

test('entries at an index that is there already displace it and all behind it', async () => {
  using directory = temporaryDirectory();
  {
    await using opened = await openFiles(directory.path);
    await written(opened.storage, entriesRecord(G0, 1, 9));
    await written(opened.storage, entriesRecord(G0, 4, 5, 2));
    await written(opened.storage, entriesRecord(G0, 6, 6, 3));
  }
  await using again = await openFiles(directory.path);
  const text = ['1/1', '2/1', '3/1', '4/2', '5/2', '6/3'];
  expect(log(again.storage, G0).map((line) => line.split(' ')[0])).toEqual(text);
});

test('groups share one log and keep apart in it', async () => {
  using directory = temporaryDirectory();
  {
    await using opened = await openFiles(directory.path);
    const { storage } = opened;
    void written(storage, entriesRecord(G1, 1, 2), hardState(G1, 5, 9));
    void written(storage, entriesRecord(G2, 1, 3, 7));
    await written(storage, entriesRecord(G0, 1, 1));
    await written(storage, entriesRecord(G1, 2, 2, 6));
  }
  await using again = await openFiles(directory.path);
  expect(log(again.storage, G0)).toEqual(['1/1 data 1/1']);
  expect(log(again.storage, G1)).toEqual(['1/1 data 1/1', '2/6 data 2/6']);
  expect(log(again.storage, G2)).toEqual(['1/7 data 1/7', '2/7 data 2/7', '3/7 data 3/7']);
  expect(again.storage.recovered.groups.get(G1)?.hardState).toEqual({ term: 5, vote: 9 });
});

test('a snapshot raises the floor, a received one replaces the log', async () => {
  using directory = temporaryDirectory();
  {
    await using opened = await openFiles(directory.path);
    const { storage } = opened;
    await written(storage, entriesRecord(G0, 1, 9), entriesRecord(G1, 1, 9));
    await takeSnapshot(storage, G0, metaAt(6), 'state');
    await written(storage, compactRecord(G0, 6));
    await takeSnapshot(storage, G1, metaAt(40, 2), 'state');
    await written(storage, { type: 'reset', group: G1, meta: metaAt(40, 2) }, entriesRecord(G1, 41, 42, 2));
  }
  await using again = await openFiles(directory.path);
  const { damage, groups } = again.storage.recovered;
  expect(damage).toBeNull();
  expect(groups.get(G0)?.snapshot).toEqual(metaAt(6));
  expect(log(again.storage, G0).map((line) => line.split(' ')[0])).toEqual(['7/1', '8/1', '9/1']);
  expect(groups.get(G1)?.snapshot).toEqual(metaAt(40, 2));
  expect(log(again.storage, G1).map((line) => line.split(' ')[0])).toEqual(['41/2', '42/2']);
});

test('everything handed in during a sync goes into one next write, and is reported in order', async () => {
  using directory = temporaryDirectory();
  const writes: number[] = [];
  const ops = watchedOps((step) => {
    if (step.operation === 'writeSynced') writes.push(step.buffers.length);
  });
  await using opened = await openFiles(directory.path, { ops });
  const { wal } = opened.storage;
  writes.length = 0;
  const order: number[] = [];
  await new Promise<void>((resolve) => {
    wal.write([entriesRecord(G0, 1, 1)], () => order.push(0));
    setImmediate(() => {
      // The first write is under way now.
      for (let i = 1; i <= 300; i++) {
        const records = [entriesRecord(i % 2 === 0 ? G1 : G2, Math.ceil(i / 2), Math.ceil(i / 2))];
        wal.write(records, () => {
          order.push(i);
          if (i === 300) resolve();
        });
      }
    });
  });
  expect(order).toEqual(Array.from({ length: 301 }, (_, i) => i));
  expect(writes).toHaveLength(2);
  // Small payloads are gathered: a few buffers, not one for each entry.
  expect(writes.every((buffers) => buffers <= 2)).toBe(true);
  expect(wal.stats.entries).toBe(301);
});

test('more large payloads than one writev takes still make one sound batch', async () => {
  using directory = temporaryDirectory();
  const data = Buffer.alloc(17 * 1024, 'x');
  let buffers = 0;
  const ops = watchedOps((step) => {
    if (step.operation === 'writeSynced') buffers = Math.max(buffers, step.buffers.length);
  });
  {
    await using opened = await openFiles(directory.path, { ops, segmentBytes: 64 * 1024 * 1024 });
    await written(opened.storage, entriesRecord(G0, 1, 700, 1, data));
    expect(opened.storage.wal.stats.batches).toBe(2);
  }
  expect(buffers).toBeGreaterThan(900);
  expect(buffers).toBeLessThanOrEqual(1024);
  await using again = await openFiles(directory.path);
  expect(again.storage.recovered.groups.get(G0)?.entries).toHaveLength(700);
  expect(again.storage.recovered.groups.get(G0)?.entries.at(-1)?.data).toEqual(data);
});

test('closing waits for what was handed in, and nothing can be handed in after', async () => {
  using directory = temporaryDirectory();
  const opened = await openFiles(directory.path);
  let durable = false;
  opened.storage.wal.write([entriesRecord(G0, 1, 1)], () => {
    durable = true;
  });
  await opened.storage.close();
  expect(durable).toBe(true);
  expect(() => opened.storage.wal.write([], () => {})).toThrow('closed');
});

test.each(['writeSynced', 'create', 'syncDirectory'] as const)(
  'after a failed %s nothing is durable any more',
  async (operation) => {
    using directory = temporaryDirectory();
    let failing = false;
    const ops = watchedOps((step) => {
      if (failing && step.operation === operation) throw Object.assign(new Error('broken'), { code: 'EIO' });
    });
    const opened = await openFiles(directory.path, { ops, segmentBytes: 3 * 4096 });
    const { wal } = opened.storage;
    await written(opened.storage, entriesRecord(G0, 1, 3));
    await written(opened.storage, entriesRecord(G0, 4, 4));
    // The segment is full: the next batch needs a new one.
    failing = true;
    let durable = 0;
    for (let index = 5; index < 10; index++) wal.write([entriesRecord(G0, index, index)], () => durable++);
    await expect.poll(() => opened.fatal.length).toBe(1);
    failing = false;
    wal.write([entriesRecord(G0, 5, 5)], () => durable++);
    await opened.storage.close();
    expect(durable).toBe(0);
    expect(opened.fatal.map((error) => error.code)).toEqual(['DISK_FAILED']);
    await using again = await openFiles(directory.path);
    expect(again.storage.recovered.damage).toBeNull();
    expect(log(again.storage, G0).slice(0, 4)).toHaveLength(4);
  },
);

test('records that do not join the log are never written', async () => {
  using directory = temporaryDirectory();
  const opened = await openFiles(directory.path);
  await written(opened.storage, entriesRecord(G0, 1, 3));
  opened.storage.wal.write([entriesRecord(G0, 5, 5)], () => expect.unreachable());
  await opened.storage.close();
  expect(opened.fatal[0]?.message).toContain('do not join');
  await using again = await openFiles(directory.path);
  expect(log(again.storage, G0)).toHaveLength(3);
});

test('statistics count what was written, and hold a bounded number of sync times', async () => {
  using directory = temporaryDirectory();
  await using opened = await openFiles(directory.path);
  const { wal } = opened.storage;
  const before = wal.stats.batches;
  wal.stats.drainSyncNs();
  for (let index = 1; index <= 20; index++) await written(opened.storage, entriesRecord(G0, index, index));
  expect(wal.stats.batches - before).toBe(20);
  expect(wal.stats.bytes).toBe(wal.stats.batches * 4096);
  expect(wal.stats.entries).toBe(20);
  expect(wal.stats.segments).toBe(readdirSync(join(directory.path, 'wal')).length);
  const times = wal.stats.drainSyncNs();
  expect(times).toHaveLength(20);
  expect(times.every((time) => time > 0)).toBe(true);
  expect(wal.stats.drainSyncNs()).toHaveLength(0);
});
