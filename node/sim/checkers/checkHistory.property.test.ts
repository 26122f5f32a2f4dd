import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkHistory } from './checkHistory.ts';
import { LegalWorld } from './testing/legalWorld.ts';
import { SERVICE_BUGS, type ServiceBug } from './testing/referenceService.ts';

/** The checkers of which at least one has to find it. */
const FOUND_BY: Readonly<Record<ServiceBug, readonly string[]>> = {
  'double grant': ['lock exclusion'],
  'token falls': ['fencing tokens'],
  'lost message': ['queue accounting'],
  'acknowledged message comes back': ['queue accounting'],
  'message enqueued twice': ['exactly once'],
  'delivered twice with one count': ['delivery counts'],
  'delivery count skips': ['delivery counts'],
  'newest message first': ['queue order'],
  'stale linearizable read': ['linearizable registers'],
  'stale session read': ['reads by log index'],
  'lost write': ['linearizable registers'],
  'deletion comes back': ['linearizable registers'],
};

describe('the checkers together', () => {
  it('are given histories with everything in them, overlapping', () => {
    const kinds = new Map<string, number>();
    let overlapping = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const operations = new LegalWorld(seed).run(400);
      for (const { kind, outcome, completed, invoked } of operations) {
        kinds.set(`${kind} ${outcome}`, (kinds.get(`${kind} ${outcome}`) ?? 0) + 1);
        if (completed === null || completed.order > invoked.order + 5) overlapping++;
      }
    }
    const writes = [
      'lockAcquire',
      'lockRelease',
      'enqueue',
      'receive',
      'ack',
      'nack',
      'cachePut',
      'cacheDelete',
    ];
    for (const kind of [...writes, 'cacheGet']) {
      for (const outcome of ['ok', 'unknown']) {
        expect(kinds.get(`${kind} ${outcome}`) ?? 0, `${kind} ${outcome}`).toBeGreaterThan(5);
      }
    }
    expect(kinds.get('lockAcquire fail')).toBeGreaterThan(50);
    expect(overlapping).toBeGreaterThan(1_000);
  });

  it('find nothing in what a correct service leaves, however operations overlap, end or are lost', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 10, max: 500 }), (seed, steps) => {
        expect(checkHistory(new LegalWorld(seed).run(steps))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it.each(SERVICE_BUGS)('find: %s', (bug) => {
    const finders = new Set<string>();
    const wanted = FOUND_BY[bug];
    for (let seed = 1; seed <= 30 && !wanted.every((checker) => finders.has(checker)); seed++) {
      for (const { checker } of checkHistory(new LegalWorld(seed, bug).run(400))) finders.add(checker);
    }
    expect([...finders]).toEqual(expect.arrayContaining([...wanted]));
  });
});
