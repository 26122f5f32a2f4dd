import { describe, expect, it } from 'vitest';
import { isPartition } from './faults.ts';
import { plan } from './plan.ts';

const MINUTE_MS = 60_000;
const SEEDS = Array.from({ length: 50 }, (_, seed) => seed);

describe('a plan', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(plan(7, 3 * MINUTE_MS)).toEqual(plan(7, 3 * MINUTE_MS));
    expect(plan(7, 3 * MINUTE_MS)).not.toEqual(plan(8, 3 * MINUTE_MS));
  });

  it('holds well over what three minutes must show, whatever the seed', () => {
    for (const seed of SEEDS) {
      const planned = plan(seed, 3 * MINUTE_MS);
      const kills = planned.reduce((sum, { fault }) => {
        if (fault.kind === 'kill') return sum + fault.whom.ranks.length;
        if (fault.kind === 'killAll') return sum + 3;
        if (fault.kind === 'killTwice') return sum + 2;
        return sum;
      }, 0);
      expect(kills).toBeGreaterThanOrEqual(25);
      expect(planned.filter(({ fault }) => isPartition(fault)).length).toBeGreaterThanOrEqual(15);
      expect(planned.filter(({ fault }) => fault.kind === 'fillDisk').length).toBeGreaterThanOrEqual(1);
    }
  });

  it('begins nothing in a lane before the last fault there is mended, and mends all before the end', () => {
    for (const seed of SEEDS) {
      for (const lane of ['processes', 'network'] as const) {
        let endMs = 0;
        for (const { atMs, holdMs } of plan(seed, 2 * MINUTE_MS).filter((p) => p.lane === lane)) {
          expect(atMs).toBeGreaterThanOrEqual(endMs);
          endMs = atMs + holdMs;
        }
        expect(endMs).toBeLessThan(2 * MINUTE_MS);
        expect(endMs).toBeGreaterThan(1.5 * MINUTE_MS);
      }
    }
  });
});
