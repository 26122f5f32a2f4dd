import { describe, expect, it } from 'vitest';
import { openStorageIn } from '../../src/storage/openStorage.ts';
import type { Storage, WalRecord } from '../../src/storage/storage.ts';
import { entriesRecord, G0, metaAt } from '../../src/storage/testing/storageFixture.ts';
import { SimDisk, VOLUME } from './disk.ts';
import { Random } from './random.ts';
import { misdirect, rot, spoilsInUse } from './spoil.ts';
import { settled, startProcess } from './testing.ts';
import { World } from './world.ts';

const PLAN = { capacityBytes: 100_000_000, ioMs: 0.1, syncMinMs: 1, syncMaxMs: 2 };

function setUp(seed: number) {
  const world = new World(seed);
  const random = new Random(seed);
  const disk = new SimDisk(random.split('disk'), PLAN);
  /** A start, some work, and a kill. */
  const run = async (work: (storage: Storage) => Promise<void>): Promise<void> => {
    const { process } = startProcess(world);
    disk.beforeStart();
    const opened = openStorageIn(
      {
        ops: disk.mount(process),
        randomUpTo: (max) => 1 + process.chance.below(max),
        nowMs: () => process.wallMs(),
        nowNs: () => Math.floor(process.monotonicMs() * 1e6),
        defer: (run) => process.defer(run),
        pause: () => new Promise((resolve) => process.after(100, resolve)),
      },
      VOLUME,
      { segmentBytes: 16 * 1024, reserveBytes: 0, onFatal: (error) => world.fail(error) },
    );
    await settled(world, opened.then(work));
    process.die('killed');
  };
  return { random, disk, run };
}

function write(storage: Storage, ...records: WalRecord[]): Promise<void> {
  return new Promise((resolve) => storage.wal.write(records, resolve));
}

async function fill(storage: Storage): Promise<void> {
  for (let index = 1; index <= 12; index++) await write(storage, entriesRecord(G0, index, index));
  const writer = await storage.snapshots.create(G0, metaAt(6));
  await writer.write(Buffer.alloc(5_000, 'state'));
  await writer.commit();
}

describe('a spoilt volume', () => {
  it('is found damaged by the next start, whatever that needs was spoilt', async () => {
    const places = new Set<string>();
    let spoilt = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const { random, disk, run } = setUp(seed);
      await run(fill);
      const spoil = (seed % 2 === 0 ? rot : misdirect)(disk, random);
      if (spoil === null) continue;
      const inUse = spoilsInUse(disk);
      let damaged = false;
      await run(async (storage) => {
        damaged = storage.recovered.damage !== null;
      });
      // The end of the identity's line is nobody's.
      expect([seed, damaged]).toEqual([seed, inUse.length > 0]);
      if (!damaged) continue;
      spoilt += 1;
      places.add(spoil.path.slice(VOLUME.length + 1).split('/')[0]!);
    }
    expect(spoilt).toBeGreaterThan(40);
    expect([...places].sort()).toEqual(['identity.json', 'snapshots', 'wal']);
  });

  it('counts as sound once what was spoilt is replaced', async () => {
    let replaced = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const { random, disk, run } = setUp(seed);
      await run(async (storage) => {
        await fill(storage);
        const spoil = rot(disk, random);
        if (spoil === null || !spoil.path.includes('/snapshots/')) return;
        expect(spoilsInUse(disk)).toEqual([spoil]);
        const writer = await storage.snapshots.create(G0, metaAt(9));
        await writer.write(Buffer.from('newer'));
        await writer.commit();
        expect(spoilsInUse(disk)).toEqual([]);
        replaced += 1;
      });
    }
    expect(replaced).toBeGreaterThan(3);
  });
});
