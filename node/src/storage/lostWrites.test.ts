import { expect, test } from 'vitest';
import type { Storage } from './storage.ts';
import { CrashingDisk } from './testing/crashingDisk.ts';
import {
  compactRecord,
  entriesRecord,
  G0,
  G1,
  metaAt,
  openFiles,
  takeSnapshot,
} from './testing/storageFixture.ts';
import { BATCH_ALIGNMENT } from './walCodec.ts';

const SEGMENT = 3 * BATCH_ALIGNMENT;

/** Reproducible numbers in [0, 1). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state ^ (state >>> 15)) >>> 0) / 2 ** 32;
  };
}

interface Promised {
  last: number;
  written: number;
  floor: number;
  term: number;
}

/** Writes until the disk stops answering; `promised` follows what was reported durable. */
async function work(storage: Storage, promised: Promised, random: () => number): Promise<void> {
  const { wal } = storage;
  const durable = (write: (done: () => void) => void) => new Promise<void>((resolve) => write(resolve));
  for (;;) {
    const waits: Promise<void>[] = [];
    for (let i = 0; i < 5; i++) {
      const index = ++promised.written;
      waits.push(
        durable((done) =>
          wal.write([entriesRecord(G0, index, index)], () => {
            promised.last = index;
            done();
          }),
        ),
      );
    }
    promised.term++;
    const { term } = promised;
    const hardState = { term: term as never, vote: 0 as const };
    await Promise.all(waits);
    await durable((done) => wal.write([{ type: 'hardState', group: G0, hardState }], done));
    // So that a snapshot comes anywhere in a segment.
    if (random() < 0.6) continue;
    const floor = promised.last - 2;
    await takeSnapshot(storage, G0, metaAt(floor), `state ${floor}`);
    await durable((done) => wal.write([compactRecord(G0, floor)], done));
    promised.floor = floor;
  }
}

test('whatever unsynced sectors and names a crash leaves behind, what was durable is there', async () => {
  let restarts = 0;
  for (let seed = 1; seed <= 80; seed++) {
    const random = seeded(seed * 7919);
    let disk = new CrashingDisk(random);
    const promised: Promised = { last: 0, written: 0, floor: 0, term: 0 };
    let memberId: number | null = null;
    for (let life = 0; life < 5; life++) {
      disk.stopAfter(5 + Math.floor(random() ** 2 * 150));
      const life1 = (async () => {
        const opened = await openFiles('/volume', { ops: disk.ops, segmentBytes: SEGMENT });
        const { storage } = opened;
        const { damage, groups } = storage.recovered;
        const where = `seed ${seed}, life ${life}`;
        if (damage !== null) expect.fail(`${where}: ${JSON.stringify(damage)}`);
        memberId ??= storage.identity.memberId;
        expect(storage.identity.memberId).toBe(memberId);
        const state = groups.get(G0);
        const floor = state?.snapshot?.index ?? 0;
        const last = floor + (state?.entries.length ?? 0);
        if (last < promised.last || last > promised.written || floor < promised.floor) {
          expect.fail(`${where}: ${JSON.stringify({ promised, floor, last })}`);
        }
        restarts++;
        promised.last = last;
        promised.written = last;
        if (!groups.has(G1))
          await new Promise<void>((resolve) => storage.wal.write([entriesRecord(G1, 1, 3)], resolve));
        else expect(groups.get(G1)?.entries).toHaveLength(3);
        await work(storage, promised, random);
      })();
      const stopped = (async () => {
        while (!disk.stopped) await new Promise((resolve) => setImmediate(resolve));
      })();
      await Promise.race([life1, stopped]);
      disk = disk.afterCrash();
    }
  }
  expect(restarts).toBeGreaterThan(160);
});
