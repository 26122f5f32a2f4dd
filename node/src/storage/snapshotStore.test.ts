import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SNAPSHOT_CHUNK_BYTES, type Storage } from './storage.ts';
import {
  compactRecord,
  entriesRecord,
  G0,
  G1,
  log,
  metaAt,
  openFiles,
  takeSnapshot,
  temporaryDirectory,
  watchedOps,
  written,
} from './testing/storageFixture.ts';

async function contents(storage: Storage): Promise<string> {
  await using reader = await storage.snapshots.open(G0);
  if (reader === null) return 'none';
  const parts: Uint8Array[] = [];
  for await (const chunk of reader.chunks()) parts.push(Buffer.from(chunk));
  return `${reader.meta.index}: ${Buffer.concat(parts)}`;
}

function files(directory: string): string[] {
  return readdirSync(join(directory, 'snapshots')).sort();
}

test('chunks come back as they were written, with meta and size', async () => {
  using directory = temporaryDirectory();
  const chunks = [Buffer.alloc(SNAPSHOT_CHUNK_BYTES, 'a'), Buffer.from('b'), Buffer.alloc(5 * 1024, 'c')];
  {
    await using opened = await openFiles(directory.path);
    expect(await opened.storage.snapshots.open(G0)).toBeNull();
    const writer = await opened.storage.snapshots.create(G0, metaAt(7, 3));
    for (const chunk of chunks) await writer.write(chunk);
    await expect(writer.write(Buffer.alloc(SNAPSHOT_CHUNK_BYTES + 1))).rejects.toThrow(RangeError);
    await writer.commit();
  }
  await using again = await openFiles(directory.path);
  await using reader = await again.storage.snapshots.open(G0);
  expect(reader?.meta).toEqual(metaAt(7, 3));
  expect(reader?.sizeBytes).toBe(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  const read: Uint8Array[] = [];
  for await (const chunk of reader?.chunks() ?? []) read.push(chunk);
  expect(read).toEqual(chunks);
});

test('an older snapshot goes when its last reader does', async () => {
  using directory = temporaryDirectory();
  await using opened = await openFiles(directory.path);
  const { storage } = opened;
  await takeSnapshot(storage, G0, metaAt(1), 'first');
  {
    await using reader = await storage.snapshots.open(G0);
    await takeSnapshot(storage, G0, metaAt(2), 'second');
    expect(files(directory.path)).toEqual(['0-1-1.snapshot', '0-2-1.snapshot']);
    const read: string[] = [];
    for await (const chunk of reader?.chunks() ?? []) read.push(String(chunk));
    expect(read).toEqual(['first']);
  }
  expect(files(directory.path)).toEqual(['0-2-1.snapshot']);
  expect(await contents(storage)).toBe('2: second');
});

test('a snapshot that finishes after a newer one does not take its place', async () => {
  using directory = temporaryDirectory();
  await using opened = await openFiles(directory.path);
  const slow = await opened.storage.snapshots.create(G0, metaAt(5));
  await takeSnapshot(opened.storage, G0, metaAt(9), 'newer');
  await slow.write(Buffer.from('older'));
  await slow.commit();
  expect(await contents(opened.storage)).toBe('9: newer');
  expect(files(directory.path)).toEqual(['0-9-1.snapshot']);
});

test('an aborted one leaves nothing, one cut off by a crash is gone at the next start', async () => {
  using directory = temporaryDirectory();
  {
    await using opened = await openFiles(directory.path);
    const aborted = await opened.storage.snapshots.create(G0, metaAt(5));
    await aborted.write(Buffer.from('x'));
    await aborted.abort();
    expect(files(directory.path)).toEqual([]);
    const cut = await opened.storage.snapshots.create(G0, metaAt(6));
    await cut.write(Buffer.from('x'));
    expect(files(directory.path)).toHaveLength(1);
  }
  await using again = await openFiles(directory.path);
  expect(files(directory.path)).toEqual([]);
  expect(again.storage.recovered.damage).toBeNull();
});

test('any spoiled or missing byte is noticed while reading, and is damage at the next start', async () => {
  using directory = temporaryDirectory();
  await using opened = await openFiles(directory.path);
  const { storage } = opened;
  await written(storage, entriesRecord(G0, 1, 3));
  const writer = await storage.snapshots.create(G0, metaAt(3));
  for (const text of ['one', 'two', 'three']) await writer.write(Buffer.from(text));
  await writer.commit();
  await written(storage, compactRecord(G0, 3));
  const path = join(directory.path, 'snapshots', files(directory.path)[0] as string);
  const sound = readFileSync(path);
  const spoiled = [...sound.keys()].map((at) => {
    const copy = Buffer.from(sound);
    copy[at] = (copy[at] as number) ^ 4;
    return copy;
  });
  const cut = [...sound.keys()].map((at) => sound.subarray(0, at));
  for (const bad of [...spoiled, ...cut]) {
    writeFileSync(path, bad);
    await expect(contents(storage)).rejects.toMatchObject({ code: 'DAMAGED' });
  }
  const name = files(directory.path)[0];
  writeFileSync(path, spoiled[100] as Buffer);
  await using again = await openFiles(directory.path);
  expect(again.storage.recovered.damage?.file).toBe(`snapshots/${name}`);
});

test('a snapshot that the log names and that is not there is damage', async () => {
  using directory = temporaryDirectory();
  {
    await using opened = await openFiles(directory.path);
    await written(opened.storage, entriesRecord(G0, 1, 3), entriesRecord(G1, 1, 1));
    await written(opened.storage, compactRecord(G0, 2));
  }
  await using again = await openFiles(directory.path);
  expect(again.storage.recovered.damage).toMatchObject({ file: 'snapshots/0-2-1.snapshot' });
  expect(again.storage.recovered.groups.get(G1)?.entries).toHaveLength(1);
});

test('a snapshot that a crash kept out of the log is taken up at the next start', async () => {
  using directory = temporaryDirectory();
  {
    await using opened = await openFiles(directory.path);
    await written(opened.storage, entriesRecord(G0, 1, 9), entriesRecord(G1, 1, 9));
    await takeSnapshot(opened.storage, G0, metaAt(6), 'own');
    await takeSnapshot(opened.storage, G1, metaAt(6, 4), 'of a later leader');
  }
  for (let start = 0; start < 3; start++) {
    await using again = await openFiles(directory.path);
    const { damage, groups } = again.storage.recovered;
    expect(damage).toBeNull();
    expect(groups.get(G0)?.snapshot).toEqual(metaAt(6));
    expect(log(again.storage, G0).map((line) => line.split('/')[0])).toEqual(['7', '8', '9']);
    expect(groups.get(G1)).toMatchObject({ snapshot: metaAt(6, 4), hardState: { term: 4, vote: 0 } });
    // What is written upon it stays.
    expect(log(again.storage, G1)).toHaveLength(start);
    await written(again.storage, entriesRecord(G1, 7 + start, 7 + start, 4));
  }
});

test('a snapshot whose place in the directory is unsure ends the process', async () => {
  using directory = temporaryDirectory();
  let failing = false;
  const ops = watchedOps((step) => {
    if (failing && step.operation === 'syncDirectory') throw new Error('broken');
  });
  await using opened = await openFiles(directory.path, { ops });
  await takeSnapshot(opened.storage, G0, metaAt(1), 'first');
  failing = true;
  await expect(takeSnapshot(opened.storage, G0, metaAt(2), 'second')).rejects.toMatchObject({
    code: 'DISK_FAILED',
  });
  expect(opened.fatal).toHaveLength(1);
  // The first one may still be the one that is there after a crash.
  expect(files(directory.path)).toEqual(['0-1-1.snapshot', '0-2-1.snapshot']);
});
