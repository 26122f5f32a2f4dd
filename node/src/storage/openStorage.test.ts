import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openStorage } from './openStorage.ts';
import {
  compactRecord,
  entriesRecord,
  G0,
  log,
  metaAt,
  openFiles,
  takeSnapshot,
  temporaryDirectory,
  watchedOps,
  written,
} from './testing/storageFixture.ts';

const OPTIONS = {
  segmentBytes: 64 * 1024,
  reserveBytes: 0,
  onFatal: (error: Error) => {
    throw error;
  },
};

test('a member id is drawn once and stays; the cluster id follows and stays', async () => {
  using directory = temporaryDirectory();
  const storage = await openStorage(join(directory.path, 'made', 'on demand'), OPTIONS);
  const { memberId } = storage.identity;
  expect(memberId).toBeGreaterThan(0);
  expect(memberId).toBeLessThan(2 ** 48);
  expect(storage.identity.clusterId).toBeNull();
  await storage.adopt('a-cluster');
  expect(storage.identity).toEqual({ memberId, clusterId: 'a-cluster', recovering: false });
  await storage.close();
  const again = await openStorage(join(directory.path, 'made', 'on demand'), OPTIONS);
  expect(again.identity).toEqual({ memberId, clusterId: 'a-cluster', recovering: false });
  await again.close();
});

test('a recovery stays begun, through each start, until it is brought to its end', async () => {
  using directory = temporaryDirectory();
  const first = await openFiles(directory.path);
  const { memberId } = first.storage.identity;
  await first.storage.adopt('lost');
  await first.storage.startRecovery('new');
  await first.storage.close();
  const begun = { memberId, clusterId: 'new', recovering: true };
  for (let start = 0; start < 2; start++) {
    await using opened = await openFiles(directory.path);
    expect(opened.storage.identity).toEqual(begun);
  }
  const last = await openFiles(directory.path);
  await last.storage.endRecovery();
  await last.storage.close();
  await using opened = await openFiles(directory.path);
  expect(opened.storage.identity).toEqual({ ...begun, recovering: false });
});

test.each([
  '',
  '{"memberId":',
  '{"memberId":0,"clusterId":null}',
  '{"memberId":"7"}',
  '{"memberId":7,"clusterId":"c","recovering":1}',
  '{"memberId":7,"clusterId":null,"recovering":true}',
  '{"memberId":7,"clusterId":"c"}',
  '[]',
  'null',
])('an unreadable identity (%s) is damage, and is left as it is', async (text) => {
  using directory = temporaryDirectory();
  await (await openFiles(directory.path)).storage.close();
  writeFileSync(join(directory.path, 'identity.json'), text);
  await using opened = await openFiles(directory.path);
  expect(opened.storage.recovered.damage?.file).toBe('identity.json');
  expect(opened.storage.identity.memberId).toBeGreaterThan(0);
  expect(readFileSync(join(directory.path, 'identity.json'), 'utf8')).toBe(text);
});

test.each([
  ['member', /(\d)(?=,"clusterId")/, (digit: string) => String((Number(digit) + 1) % 10)],
  ['cluster', /old/, () => 'olf'],
] as const)(
  'an identity that reads well but names another %s than was written is damage',
  async (_, from, to) => {
    using directory = temporaryDirectory();
    const { storage } = await openFiles(directory.path);
    await storage.adopt('old');
    await storage.close();
    const path = join(directory.path, 'identity.json');
    const text = readFileSync(path, 'utf8');
    const changed = text.replace(from, to);
    expect(changed).not.toBe(text);
    writeFileSync(path, changed);
    await using opened = await openFiles(directory.path);
    expect(opened.storage.recovered.damage).toMatchObject({ file: 'identity.json' });
  },
);

test('a missing identity beside data is damage', async () => {
  using directory = temporaryDirectory();
  {
    await using opened = await openFiles(directory.path);
    await written(opened.storage, entriesRecord(G0, 1, 1));
  }
  rmSync(join(directory.path, 'identity.json'));
  await using opened = await openFiles(directory.path);
  expect(opened.storage.recovered.damage?.reason).toContain('missing');
  expect(existsSync(join(directory.path, 'identity.json'))).toBe(false);
});

test('a directory is open once: a second opener is refused until the first has closed', async () => {
  using directory = temporaryDirectory();
  const first = await openStorage(directory.path, OPTIONS);
  await expect(openStorage(directory.path, OPTIONS)).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED' });
  await first.close();
  await (await openStorage(directory.path, OPTIONS)).close();
});

test('a volume set aside keeps its lock and its data, and starts anew under another id', async () => {
  using directory = temporaryDirectory();
  const options = { ...OPTIONS, reserveBytes: 8192 };
  const storage = await openStorage(directory.path, options);
  const { memberId } = storage.identity;
  await written(storage, entriesRecord(G0, 1, 4));
  await takeSnapshot(storage, G0, metaAt(2), 'state');
  await storage.adopt('old');
  await storage.setAside();
  await expect(openStorage(directory.path, options)).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED' });
  await storage.close();
  const left = readdirSync(directory.path).sort();
  expect(left).toEqual([expect.stringMatching(/^aside-/), 'lock.sqlite']);
  const aside = join(directory.path, left[0] as string);
  expect(readdirSync(aside).sort()).toEqual(['identity.json', 'snapshots', 'wal']);
  expect(JSON.parse(readFileSync(join(aside, 'identity.json'), 'utf8'))).toEqual({
    memberId,
    clusterId: 'old',
    crc: expect.any(Number),
  });

  const fresh = await openStorage(directory.path, options);
  expect(fresh.identity.memberId).not.toBe(memberId);
  expect(fresh.identity.clusterId).toBeNull();
  expect(fresh.recovered).toMatchObject({ damage: null, groups: new Map() });
  await fresh.setAside();
  await fresh.close();
  // What was set aside is a member's volume still.
  await using old = await openFiles(aside);
  expect(log(old.storage, G0)).toHaveLength(2);
});

test('a damaged volume can be set aside', async () => {
  using directory = temporaryDirectory();
  await (await openFiles(directory.path)).storage.close();
  rmSync(join(directory.path, 'wal'), { recursive: true });
  const opened = await openFiles(directory.path);
  expect(opened.storage.recovered.damage).not.toBeNull();
  await opened.storage.setAside();
  await using fresh = await openFiles(directory.path);
  expect(fresh.storage.recovered.damage).toBeNull();
});

test('on a full disk the reserve is given up, work goes on, and free bytes leave it out of account', async () => {
  using directory = temporaryDirectory();
  const reserveBytes = 3 * 1024 * 1024 + 5;
  const reserve = join(directory.path, 'reserve');
  let full = false;
  const watched = watchedOps((step) => {
    if (step.path === reserve && step.operation === 'remove') full = false;
    const grows =
      step.operation === 'create' || step.operation === 'write' || step.operation === 'writeSynced';
    if (full && grows) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  });
  const ops = { ...watched, freeBytes: () => Promise.resolve(2 ** 30) };
  {
    await using opened = await openFiles(directory.path, { ops, reserveBytes });
    await expect.poll(() => existsSync(reserve) && statSync(reserve).size).toBe(reserveBytes);
    const { storage } = opened;
    await written(storage, entriesRecord(G0, 1, 1));
    full = true;
    await written(storage, entriesRecord(G0, 2, 2));
    expect(existsSync(reserve)).toBe(false);
    expect(opened.fatal).toEqual([]);
    expect(await storage.freeBytes()).toBe(2 ** 30 - reserveBytes);
    // A snapshot frees: then there is room for the reserve again.
    await takeSnapshot(storage, G0, metaAt(1), 'first');
    await takeSnapshot(storage, G0, metaAt(2), 'second');
    await written(storage, compactRecord(G0, 2));
    await expect.poll(() => existsSync(reserve) && statSync(reserve).size).toBe(reserveBytes);
  }
  let created = false;
  const watching = watchedOps((step) => {
    if (step.path === reserve) created = true;
  });
  await using again = await openFiles(directory.path, { ops: watching, reserveBytes });
  expect(again.storage.recovered.damage).toBeNull();
  expect(created).toBe(false);
});

test('on a disk that is full without a reserve the log waits for room', async () => {
  using directory = temporaryDirectory();
  let full = false;
  let refused = 0;
  const ops = watchedOps((step) => {
    if (!full || step.operation !== 'writeSynced') return;
    refused += 1;
    throw Object.assign(new Error('full'), { code: 'ENOSPC' });
  });
  await using opened = await openFiles(directory.path, { ops });
  full = true;
  let durable = false;
  opened.storage.wal.write([entriesRecord(G0, 1, 1)], () => {
    durable = true;
  });
  await expect.poll(() => refused).toBeGreaterThan(10);
  expect([durable, opened.fatal]).toEqual([false, []]);
  full = false;
  await expect.poll(() => durable).toBe(true);
  await written(opened.storage, entriesRecord(G0, 2, 2));
  await using again = await openFiles(directory.path);
  expect(log(again.storage, G0)).toHaveLength(2);
});

test('a start on a full disk takes no space, and gives back all there was', async () => {
  using directory = temporaryDirectory();
  const before = await openFiles(directory.path);
  for (let i = 1; i <= 50; i++)
    await written(before.storage, entriesRecord(G0, i, i, 1, Buffer.alloc(3_000)));
  await before.storage.close();
  const sizes = new Map<string, number>();
  const wal = join(directory.path, 'wal');
  for (const name of readdirSync(wal)) sizes.set(join(wal, name), statSync(join(wal, name)).size);
  let refused = 0;
  const ops = watchedOps(({ operation, path, buffers, position }) => {
    if (operation !== 'write' && operation !== 'writeSynced') return;
    const end = buffers.reduce((sum, buffer) => sum + buffer.length, position);
    if (end <= (sizes.get(path) ?? 0)) return;
    refused += 1;
    throw Object.assign(new Error('full'), { code: 'ENOSPC' });
  });
  for (let start = 0; start < 3; start++) {
    await using full = await openFiles(directory.path, { ops });
    expect(full.storage.recovered.damage).toBeNull();
    expect(log(full.storage, G0)).toHaveLength(50 + start);
    // What is allocated already takes what frees.
    await written(full.storage, entriesRecord(G0, 51 + start, 51 + start));
    expect(full.fatal).toEqual([]);
  }
  expect(refused).toBeGreaterThan(0);
});

test('a snapshot that would leave the log no room is refused as on a full disk, and leaves no file', async () => {
  using directory = temporaryDirectory();
  let free = 2 ** 30;
  const ops = { ...watchedOps(() => {}), freeBytes: () => Promise.resolve(free) };
  await using opened = await openFiles(directory.path, { ops });
  const writer = await opened.storage.snapshots.create(G0, metaAt(1));
  free = 512 * 1024;
  const chunk = Buffer.alloc(64 * 1024);
  const all = async () => {
    for (let i = 0; i < 100; i++) await writer.write(chunk);
  };
  await expect(all()).rejects.toMatchObject({ code: 'ENOSPC' });
  await writer.abort();
  expect(readdirSync(join(directory.path, 'snapshots'))).toEqual([]);
  expect(opened.fatal).toEqual([]);
});
