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
  written,
} from './testing/storageFixture.ts';
import { BATCH_ALIGNMENT } from './walCodec.ts';

const SEGMENT = 3 * BATCH_ALIGNMENT;

/** What must be there after a crash, as far as it had been reported durable. */
interface Promised {
  last: number;
  floor: number;
  idle: number;
  clusterId: string | null;
}

async function work(storage: Storage, promised: Promised): Promise<void> {
  await written(storage, entriesRecord(G1, 1, 3));
  promised.idle = 3;
  await storage.adopt('cluster');
  promised.clusterId = 'cluster';
  // Long enough for segments to be rolled, reclaimed, recycled, and for the idle group's tail to be copied.
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 4; i++) {
      const index = promised.last + 1;
      await written(storage, entriesRecord(G0, index, index));
      promised.last = index;
    }
    const floor = promised.last - 1;
    await takeSnapshot(storage, G0, metaAt(floor), `state ${floor}`);
    await written(storage, compactRecord(G0, floor));
    promised.floor = floor;
  }
}

/** Runs until the disk has taken `steps` changes and no more; false: all was done before. */
async function runTo(disk: CrashingDisk, steps: number, promised: Promised): Promise<boolean> {
  disk.stopAfter(steps);
  const done = (async () => {
    const opened = await openFiles('/volume', { ops: disk.ops, segmentBytes: SEGMENT });
    await work(opened.storage, promised);
    await opened.storage.close();
    return false;
  })();
  const stopped = (async () => {
    while (!disk.stopped) await new Promise((resolve) => setImmediate(resolve));
    return true;
  })();
  return await Promise.race([done, stopped]);
}

// All of an unsynced write and of unsynced names is kept, or none of it; what lies between is tried at random
// elsewhere.
test.each([
  ['everything', 0],
  ['nothing', 1],
])(
  'a crash after any step that leaves %s unsynced behind loses nothing that was durable',
  async (_, draw) => {
    let steps = 0;
    for (;;) {
      const disk = new CrashingDisk(() => draw);
      const promised: Promised = { last: 0, floor: 0, idle: 0, clusterId: null };
      if (!(await runTo(disk, steps, promised))) break;
      const after = disk.afterCrash();
      const opened = await openFiles('/volume', { ops: after.ops, segmentBytes: SEGMENT });
      const { damage, groups } = opened.storage.recovered;
      if (damage !== null) expect.fail(`step ${steps}: ${JSON.stringify(damage)}`);
      const state = groups.get(G0);
      const floor = state?.snapshot?.index ?? 0;
      const last = floor + (state?.entries.length ?? 0);
      const idle = groups.get(G1)?.entries.length ?? 0;
      const fine =
        floor >= promised.floor &&
        last >= promised.last &&
        last <= promised.last + 1 &&
        idle >= promised.idle &&
        (promised.clusterId === null || opened.storage.identity.clusterId === promised.clusterId);
      if (!fine) expect.fail(`step ${steps}: ${JSON.stringify({ promised, floor, last, idle })}`);
      // It goes on from there, through a further start.
      await written(opened.storage, entriesRecord(G0, last + 1, last + 1));
      await opened.storage.close();
      await using again = await openFiles('/volume', { ops: after.ops, segmentBytes: SEGMENT });
      const next = again.storage.recovered.groups.get(G0);
      if (next?.entries.at(-1)?.index !== last + 1) expect.fail(`step ${steps}: entry ${last + 1} was lost`);
      steps++;
    }
    expect(steps).toBeGreaterThan(100);
  },
);
