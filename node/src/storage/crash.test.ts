import { closeSync, cpSync, openSync, writeSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { GroupId } from '@synccluster/client/protocol';
import { expect, test } from 'vitest';
import {
  compactRecord,
  entriesRecord,
  G0,
  G1,
  metaAt,
  openFiles,
  type Step,
  takeSnapshot,
  temporaryDirectory,
  watchedOps,
  written,
} from './testing/storageFixture.ts';
import { BATCH_ALIGNMENT } from './walCodec.ts';

/** What must be there after a crash, as far as it had been reported durable. */
interface Promised {
  last: number;
  floor: number;
  idle: number;
  clusterId: string | null;
}

interface Crash {
  readonly directory: string;
  readonly step: string;
  readonly promised: Promised;
}

const SEGMENT = 3 * BATCH_ALIGNMENT;

/** Leaves of a write what a crash in its midst may leave: its first bytes, or all but the first page. */
function writePart(path: string, step: Step, part: 'head' | 'rest'): void {
  const bytes = Buffer.concat(step.buffers);
  const half = Math.min(Math.floor(bytes.length / 2), 2000);
  const [from, to] = part === 'head' ? [0, half] : [half, bytes.length];
  const fd = openSync(path, 'r+');
  writeSync(fd, bytes, from, to - from, step.position + from);
  closeSync(fd);
}

async function runWithCrashes(directory: string, copies: string): Promise<Crash[]> {
  const crashes: Crash[] = [];
  const promised: Promised = { last: 0, floor: 0, idle: 0, clusterId: null };
  const crash = (step: Step, part: 'none' | 'head' | 'rest') => {
    const copy = join(copies, String(crashes.length));
    cpSync(directory, copy, { recursive: true });
    const name = relative(directory, step.path);
    if (part !== 'none') writePart(join(copy, name), step, part);
    crashes.push({ directory: copy, step: `${step.operation} ${name} (${part})`, promised: { ...promised } });
  };
  const ops = watchedOps((step) => {
    crash(step, 'none');
    if (step.operation === 'writeSynced' || step.operation === 'write') {
      crash(step, 'head');
      crash(step, 'rest');
    }
  });
  for (let life = 0; life < 2; life++) {
    await using opened = await openFiles(directory, { ops, segmentBytes: SEGMENT });
    const { storage } = opened;
    if (life === 0) {
      await written(storage, entriesRecord(G1, 1, 3));
      promised.idle = 3;
      await storage.adopt('cluster');
      promised.clusterId = 'cluster';
    }
    for (let round = 0; round < 4; round++) {
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
  return crashes;
}

test('a crash between any two steps, or within a write, loses nothing that was durable', async () => {
  using directory = temporaryDirectory();
  using copies = temporaryDirectory();
  const crashes = await runWithCrashes(join(directory.path, 'volume'), copies.path);
  const kinds = new Set(crashes.map(({ step }) => step.split(' ')[0]));
  expect(kinds).toEqual(
    new Set(['create', 'write', 'writeSynced', 'sync', 'rename', 'remove', 'syncDirectory']),
  );
  expect(crashes.length).toBeGreaterThan(200);
  for (const { directory: copy, promised, step } of crashes) {
    const opened = await openFiles(copy, { segmentBytes: SEGMENT });
    const { damage, groups } = opened.storage.recovered;
    if (damage !== null) expect.fail(`${step}: ${JSON.stringify(damage)}`);
    const state = groups.get(G0);
    const floor = state?.snapshot?.index ?? 0;
    const last = floor + (state?.entries.length ?? 0);
    const idle = groups.get(G1 as GroupId)?.entries.length ?? 0;
    const fine =
      floor >= promised.floor &&
      last >= promised.last &&
      last <= promised.last + 1 &&
      idle >= promised.idle &&
      (promised.clusterId === null || opened.storage.identity.clusterId === promised.clusterId);
    if (!fine) expect.fail(`${step}: ${JSON.stringify({ promised, floor, last, idle })}`);
    // It goes on from there, through a further start.
    await written(opened.storage, entriesRecord(G0, last + 1, last + 1));
    await opened.storage.close();
    await using again = await openFiles(copy, { segmentBytes: SEGMENT });
    const next = again.storage.recovered.groups.get(G0);
    if (next?.entries.at(-1)?.index !== last + 1)
      expect.fail(`${step}: the next start lost entry ${last + 1}`);
  }
});
