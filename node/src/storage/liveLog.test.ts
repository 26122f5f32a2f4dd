import type { GroupId } from '@synccluster/client/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LiveLog } from './liveLog.ts';
import { compactRecord, entriesRecord, G0, metaAt } from './testing/storageFixture.ts';
import { entryBytes, type LogRecord } from './walCodec.ts';

interface Model {
  floor: number;
  /** Term and segment of each entry above the floor. */
  entries: { term: number; segment: number }[];
}

test('it knows in which segment each live entry stands, through displacement, snapshots and copying', () => {
  const action = fc.record({
    kind: fc.constantFrom('append', 'append', 'displace', 'compact', 'reset', 'roll', 'move'),
    group: fc.nat({ max: 1 }),
    count: fc.integer({ min: 1, max: 5 }),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80, size: 'max' }), (actions) => {
      const live = new LiveLog();
      const models: Model[] = [0, 1].map(() => ({ floor: 0, entries: [] }));
      let segment = 1;
      let term = 1;
      for (const { kind, group, count } of actions) {
        const id = group as GroupId;
        const model = models[group] as Model;
        if (kind === 'roll') segment++;
        if (kind === 'append' || kind === 'displace') {
          if (kind === 'displace') model.entries.splice(Math.max(0, model.entries.length - count));
          const first = model.floor + model.entries.length + 1;
          live.apply(entriesRecord(id, first, first + 1, ++term), segment);
          model.entries.push({ term, segment }, { term, segment });
        }
        if (kind === 'compact' && model.entries.length > 0) {
          const gone = Math.min(count, model.entries.length);
          model.floor += gone;
          model.entries.splice(0, gone);
          live.apply(compactRecord(id, model.floor), segment);
        }
        if (kind === 'reset') {
          model.floor += model.entries.length + count;
          model.entries = [];
          live.apply({ type: 'reset', group: id, meta: metaAt(model.floor) }, segment);
        }
        if (kind === 'move') {
          const from = Math.min(...models.flatMap(({ entries }) => entries.map((e) => e.segment)));
          const records = live.move(from, segment, count * 40);
          if (from < segment) expect(records.length > 0).toBe(from !== Number.POSITIVE_INFINITY);
          for (const record of records) {
            if (record.type !== 'copied') expect.fail(record.type);
            for (const moved of record.entries) {
              const target = models[record.group] as Model;
              const held = target.entries[moved.index - target.floor - 1];
              expect(held).toEqual({ term: moved.term, segment: from });
              target.entries[moved.index - target.floor - 1] = { term: moved.term, segment };
            }
          }
        }
        for (let s = 1; s <= segment; s++) {
          expect(live.livesIn(s)).toBe(models.some(({ entries }) => entries.some((e) => e.segment === s)));
        }
        const sizes = models.map(({ floor, entries }) =>
          entries.reduce((sum, e, i) => {
            const [only] = (
              entriesRecord(G0, floor + 1 + i, floor + 1 + i, e.term) as LogRecord & { type: 'entries' }
            ).entries;
            return sum + (only === undefined ? 0 : entryBytes(only));
          }, 0),
        );
        expect(live.bytes).toBe(sizes.reduce((a, b) => a + b, 0));
      }
    }),
    { numRuns: 150, seed: 20_260_902 },
  );
});

test('entries that would leave a hole or touch what a snapshot covers are refused', () => {
  const live = new LiveLog();
  live.apply(entriesRecord(G0, 1, 5), 1);
  live.apply(compactRecord(G0, 3), 1);
  expect(() => live.apply(entriesRecord(G0, 7, 7), 1)).toThrow(RangeError);
  expect(() => live.apply(entriesRecord(G0, 3, 3), 1)).toThrow(RangeError);
  live.apply(entriesRecord(G0, 4, 4), 1);
});
