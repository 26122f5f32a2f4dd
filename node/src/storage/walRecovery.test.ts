import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { WalRecord } from './storage.ts';
import {
  entriesRecord,
  G0,
  G1,
  log,
  openFiles,
  readOnlyOps,
  temporaryDirectory,
  written,
} from './testing/storageFixture.ts';
import { BATCH_ALIGNMENT, peekHeader } from './walCodec.ts';
import { type RecoveredLog, recoverLog } from './walRecovery.ts';

type Files = Map<string, Buffer>;

/** The segments that `batches`, one after the other, leave behind. */
async function logOf(batches: readonly WalRecord[][], segmentBytes = 8 * BATCH_ALIGNMENT): Promise<Files> {
  using directory = temporaryDirectory();
  {
    await using opened = await openFiles(directory.path, { segmentBytes });
    for (const records of batches) await written(opened.storage, ...records);
  }
  const wal = join(directory.path, 'wal');
  return new Map(readdirSync(wal).map((name) => [name, readFileSync(join(wal, name))]));
}

function read(files: Files): Promise<RecoveredLog> {
  return recoverLog(readOnlyOps(files), '/wal');
}

function indices(recovered: RecoveredLog): number[] {
  return recovered.groups.get(G0)?.state.entries.map((e) => e.index) ?? [];
}

/** Where the batches of a file begin, and behind the last of them where it ends. */
function boundaries(file: Buffer): number[] {
  const at = [0];
  for (let header = peekHeader(file, 0); header !== null; header = peekHeader(file, at.at(-1) as number)) {
    at.push((at.at(-1) as number) + header.bytes);
  }
  return at;
}

const THREE = [[entriesRecord(G0, 1, 3)], [entriesRecord(G0, 4, 4)], [entriesRecord(G0, 5, 9, 2)]];

test('a last batch cut at any byte is torn: everything before it is there', async () => {
  const files = await logOf(THREE);
  const [[name, file]] = [...files] as [[string, Buffer]];
  const [start, end] = boundaries(file).slice(-2) as [number, number];
  const padding = file.subarray(start, end).findLastIndex((byte) => byte !== 0) + 1;
  for (let cut = start; cut < end; cut++) {
    for (const rest of [Buffer.alloc(0), Buffer.alloc(file.length - cut)]) {
      const torn = Buffer.concat([file.subarray(0, cut), rest]);
      const recovered = await read(new Map([[name, torn]]));
      expect(recovered.damage).toBeNull();
      // Cut within its padding and followed by zeros it is whole.
      const whole = rest.length > 0 && cut - start >= padding;
      if (indices(recovered).length !== (whole ? 9 : 4)) expect.fail(`cut at ${cut}: ${indices(recovered)}`);
      if (!whole && cut > start) expect(recovered.tornBytes).toBeGreaterThan(0);
    }
  }
});

test('a last batch with any byte spoiled is torn: everything before it is there', async () => {
  const files = await logOf(THREE);
  const [[name, file]] = [...files] as [[string, Buffer]];
  const [start, end] = boundaries(file).slice(-2) as [number, number];
  for (let at = start; at < end; at++) {
    const spoiled = Buffer.from(file);
    spoiled[at] = (spoiled[at] as number) ^ 0x5a;
    const recovered = await read(new Map([[name, spoiled]]));
    if (recovered.damage !== null || indices(recovered).length !== 4) expect.fail(`byte ${at}`);
    expect(recovered.tornBytes).toBeGreaterThan(0);
  }
});

test('a spoiled byte in any earlier batch is damage, and what is before it can be read', async () => {
  const files = await logOf(THREE);
  const [[name, file]] = [...files] as [[string, Buffer]];
  const starts = boundaries(file);
  const last = starts.at(-2) as number;
  for (let at = 0; at < last; at++) {
    const spoiled = Buffer.from(file);
    spoiled[at] = (spoiled[at] as number) ^ 0x81;
    const recovered = await read(new Map([[name, spoiled]]));
    const start = starts.findLast((s) => s <= at) as number;
    if (recovered.damage?.offset !== start) expect.fail(`byte ${at}: ${JSON.stringify(recovered.damage)}`);
    const before = start === 0 || start === starts[1] ? 0 : 3;
    expect(indices(recovered)).toHaveLength(before);
  }
});

test('a spoiled last batch of a segment is damage when another segment follows', async () => {
  const batches = Array.from({ length: 6 }, (_, i) => [entriesRecord(G0, i + 1, i + 1)]);
  const files = await logOf(batches, 3 * BATCH_ALIGNMENT);
  const names = [...files.keys()].sort();
  expect(names.length).toBeGreaterThan(1);
  for (const name of names.slice(0, -1)) {
    const file = files.get(name) as Buffer;
    const start = boundaries(file).at(-2) as number;
    for (const spoil of [
      (copy: Buffer) => copy.fill(0, start),
      (copy: Buffer) => copy.writeUInt8(9, start + 40),
    ]) {
      const copy = Buffer.from(file);
      spoil(copy);
      const recovered = await read(new Map(files).set(name, copy));
      expect(recovered.damage).toMatchObject({ file: name, offset: start });
    }
  }
});

test('a missing segment is damage, wherever it was', async () => {
  const batches = Array.from({ length: 12 }, (_, i) => [
    entriesRecord(G0, i + 1, i + 1, 1, Buffer.alloc(4000)),
  ]);
  const files = await logOf(batches, 3 * BATCH_ALIGNMENT);
  const names = [...files.keys()].sort();
  expect(names.length).toBeGreaterThan(3);
  for (const name of names.slice(0, -1)) {
    const rest = new Map(files);
    rest.delete(name);
    const recovered = await read(rest);
    expect(recovered.damage?.reason).toContain('missing');
  }
});

test('a sound batch of another log does not pass for one of this log', async () => {
  const [[name, own]] = [...(await logOf(THREE))] as [[string, Buffer]];
  const [other] = [...(await logOf([...THREE, [entriesRecord(G0, 10, 10)]])).values()] as [Buffer];
  const torn = boundaries(own).at(-2) as number;
  const [from, to] = boundaries(other).slice(-2) as [number, number];
  // As a client could have it: the payload of a batch that a crash tore holds what looks like a later batch.
  const smuggled = Buffer.concat([own.subarray(0, torn), Buffer.alloc(4096, 1), other.subarray(from, to)]);
  expect(indices(await read(new Map([[name, smuggled]])))).toEqual([1, 2, 3, 4]);
  expect((await read(new Map([[name, smuggled]]))).damage).toBeNull();
  // The very same with the log's own salt is proof of a lost batch.
  const spoiled = Buffer.from(other).fill(1, torn, torn + 4096);
  expect((await read(new Map([[name, spoiled]]))).damage).toMatchObject({ offset: torn });
});

test('reopening cuts a torn batch off, reports it and goes on behind what is sound', async () => {
  using directory = temporaryDirectory();
  {
    await using opened = await openFiles(directory.path);
    await written(opened.storage, entriesRecord(G0, 1, 2));
    await written(opened.storage, entriesRecord(G0, 3, 3));
  }
  const wal = join(directory.path, 'wal');
  const [name] = readdirSync(wal) as [string];
  const file = readFileSync(join(wal, name));
  const [start] = boundaries(file).slice(-2) as [number];
  writeFileSync(join(wal, name), file.subarray(0, start + 700));
  {
    await using opened = await openFiles(directory.path);
    expect(opened.storage.recovered.tornBytes).toBe(700);
    expect(log(opened.storage, G0)).toHaveLength(2);
    await written(opened.storage, entriesRecord(G0, 3, 3, 5));
  }
  await using again = await openFiles(directory.path);
  expect(again.storage.recovered).toMatchObject({ damage: null, tornBytes: 0 });
  expect(log(again.storage, G0).at(-1)).toBe('3/5 data 3/5');
});

test('a damaged log is opened without a change and takes nothing more', async () => {
  using directory = temporaryDirectory();
  {
    await using opened = await openFiles(directory.path);
    for (const records of THREE) await written(opened.storage, ...records);
    await written(opened.storage, entriesRecord(G1, 1, 1));
  }
  const wal = join(directory.path, 'wal');
  const [name] = readdirSync(wal) as [string];
  const file = readFileSync(join(wal, name));
  file.writeUInt8(1, (boundaries(file)[2] as number) + 50);
  writeFileSync(join(wal, name), file);
  writeFileSync(join(wal, '0000000009.wal.tmp'), 'left over');
  const { memberId } = JSON.parse(readFileSync(join(directory.path, 'identity.json'), 'utf8'));
  await using opened = await openFiles(directory.path);
  const { storage } = opened;
  expect(storage.recovered.damage).toMatchObject({ file: `wal/${name}`, offset: boundaries(file)[2] });
  expect(log(storage, G0)).toHaveLength(3);
  expect(storage.identity.memberId).toBe(memberId);
  expect(() => storage.wal.write([entriesRecord(G0, 4, 4)], () => {})).toThrow(
    expect.objectContaining({ code: 'DAMAGED' }),
  );
  await expect(storage.adopt('cluster')).rejects.toMatchObject({ code: 'DAMAGED' });
  expect(readdirSync(wal).sort()).toEqual([name, '0000000009.wal.tmp']);
  expect(readFileSync(join(wal, name))).toEqual(file);
});

test('a log that vanished from under an identity is damage', async () => {
  using directory = temporaryDirectory();
  await (await openFiles(directory.path)).storage.close();
  rmSync(join(directory.path, 'wal'), { recursive: true });
  await using opened = await openFiles(directory.path);
  expect(opened.storage.recovered.damage?.reason).toContain('no log');
});
