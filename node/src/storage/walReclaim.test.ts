import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GroupId } from '@synccluster/client/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Storage } from './storage.ts';
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
import { BATCH_ALIGNMENT, peekHeader } from './walCodec.ts';

const SEGMENT = 4 * BATCH_ALIGNMENT;

async function compacted(storage: Storage, group: GroupId, index: number): Promise<void> {
  await takeSnapshot(storage, group, metaAt(index), `state at ${index}`);
  await written(storage, compactRecord(group, index));
}

/** Names of segments and of spares. */
function segments(directory: string): string[] {
  return readdirSync(join(directory, 'wal'))
    .filter((name) => name.endsWith('.wal'))
    .sort();
}

test('segments in which nothing lives any more go, and those behind stay', async () => {
  using directory = temporaryDirectory();
  {
    await using opened = await openFiles(directory.path, { segmentBytes: SEGMENT });
    for (let index = 1; index <= 40; index++) {
      await written(opened.storage, entriesRecord(G0, index, index, 1, Buffer.alloc(4000)));
    }
    expect(segments(directory.path).length).toBeGreaterThan(8);
    await compacted(opened.storage, G0, 35);
    await expect.poll(() => segments(directory.path).length).toBeLessThan(5);
    expect(opened.storage.wal.stats.segments).toBe(segments(directory.path).length);
  }
  await using again = await openFiles(directory.path, { segmentBytes: SEGMENT });
  expect(again.storage.recovered.damage).toBeNull();
  expect(log(again.storage, G0).map((line) => line.split('/')[0])).toEqual(['36', '37', '38', '39', '40']);
});

test('the tail of an idle group is copied forward, so that it holds no old segments', async () => {
  using directory = temporaryDirectory();
  {
    await using opened = await openFiles(directory.path, { segmentBytes: SEGMENT });
    await written(opened.storage, entriesRecord(G1, 1, 5), {
      type: 'hardState',
      group: G1,
      hardState: { term: 1 as never, vote: 42 as never },
    });
    // One that is partly displaced by a later segment.
    await written(opened.storage, entriesRecord(G0, 1, 1));
    await written(opened.storage, entriesRecord(G0, 2, 2));
    await written(opened.storage, entriesRecord(G0, 3, 3));
    await written(opened.storage, entriesRecord(G1, 4, 6, 2));
    for (let index = 4; index <= 120; index++) {
      await written(opened.storage, entriesRecord(G0, index, index));
      if (index % 10 === 0) await compacted(opened.storage, G0, index);
    }
    expect(Number.parseInt(segments(directory.path)[0] as string, 10)).toBeGreaterThan(10);
    expect(segments(directory.path).length).toBeLessThan(12);
  }
  await using again = await openFiles(directory.path, { segmentBytes: SEGMENT });
  const { damage, groups } = again.storage.recovered;
  expect(damage).toBeNull();
  expect(groups.get(G1)?.hardState).toEqual({ term: 1, vote: 42 });
  expect(log(again.storage, G1).map((line) => line.split(' ')[0])).toEqual([
    '1/1',
    '2/1',
    '3/1',
    '4/2',
    '5/2',
    '6/2',
  ]);
  expect(groups.get(G0)?.snapshot).toEqual(metaAt(120));
});

test('a recycled segment never gives back what it held before', async () => {
  using directory = temporaryDirectory();
  let recycled = 0;
  const ops = watchedOps((step) => {
    if (step.operation === 'rename' && step.path.endsWith('.wal.tmp')) recycled++;
  });
  {
    await using opened = await openFiles(directory.path, { segmentBytes: SEGMENT, ops });
    recycled = 0;
    for (let index = 1; index <= 40; index++) {
      await written(opened.storage, entriesRecord(G0, index, index));
      if (index % 8 === 0) await compacted(opened.storage, G0, index);
    }
    expect(recycled).toBeGreaterThan(2);
  }
  // Behind the last batch lies a whole, once valid batch of the segment's earlier life.
  const name = segments(directory.path).at(-1) as string;
  const file = readFileSync(join(directory.path, 'wal', name));
  const headers = [];
  for (let at = 0; at < file.length; at += BATCH_ALIGNMENT) headers.push(peekHeader(file, at));
  const numbers = headers.filter((header) => header !== null).map((header) => header.segment);
  expect(new Set(numbers).size).toBeGreaterThan(1);
  await using again = await openFiles(directory.path, { segmentBytes: SEGMENT });
  expect(again.storage.recovered.damage).toBeNull();
  expect(again.storage.recovered.tornBytes).toBe(0);
  expect(again.storage.recovered.groups.get(G0)?.snapshot).toEqual(metaAt(40));
  expect(log(again.storage, G0)).toEqual([]);
});

test('any sequence of appends, displacements, snapshots and restarts gives back what a plain list holds', async () => {
  const action = fc.record({
    kind: fc.constantFrom('append', 'append', 'append', 'displace', 'compact', 'reset', 'restart'),
    group: fc.nat({ max: 2 }),
    count: fc.integer({ min: 1, max: 6 }),
    bytes: fc.constantFrom(0, 10, 3000, 20_000),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 40, size: 'max' }), async (actions) => {
      using directory = temporaryDirectory();
      const options = { segmentBytes: SEGMENT };
      let opened = await openFiles(directory.path, options);
      const model = [0, 1, 2].map(() => ({ floor: 0, terms: [] as number[], term: 1 }));
      for (const { kind, group, count, bytes } of actions) {
        const { storage } = opened;
        const id = group as GroupId;
        const state = model[group] as (typeof model)[number];
        if (kind === 'append' || kind === 'displace') {
          if (kind === 'displace') {
            state.term++;
            state.terms.splice(Math.max(0, state.terms.length - count));
          }
          const first = state.floor + state.terms.length + 1;
          for (let i = 0; i < count; i++) state.terms.push(state.term);
          await written(
            storage,
            entriesRecord(id, first, first + count - 1, state.term, Buffer.alloc(bytes, 'p')),
          );
        } else if (kind === 'compact' && state.terms.length > 0) {
          const gone = Math.ceil(state.terms.length / 2);
          state.floor += gone;
          const term = state.terms.splice(0, gone).at(-1) as number;
          await takeSnapshot(storage, id, metaAt(state.floor, term), 's');
          await written(storage, compactRecord(id, state.floor, term));
        } else if (kind === 'reset') {
          state.floor += state.terms.length + count;
          state.terms = [];
          await takeSnapshot(storage, id, metaAt(state.floor, state.term), 's');
          await written(storage, { type: 'reset', group: id, meta: metaAt(state.floor, state.term) });
        } else if (kind === 'restart') {
          await storage.close();
          opened = await openFiles(directory.path, options);
        }
      }
      await opened.storage.close();
      expect(opened.fatal).toEqual([]);
      await using again = await openFiles(directory.path, options);
      expect(again.storage.recovered.damage).toBeNull();
      for (const [group, state] of model.entries()) {
        const restored = again.storage.recovered.groups.get(group as GroupId);
        expect(restored?.snapshot?.index ?? 0).toBe(state.floor);
        const entries = restored?.entries ?? [];
        expect(entries.map((e) => [e.index, e.term])).toEqual(
          state.terms.map((term, i) => [state.floor + 1 + i, term]),
        );
      }
    }),
    { numRuns: 15, seed: 20_260_901 },
  );
});
