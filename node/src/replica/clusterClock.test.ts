import type { MemberId } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { ClusterClock } from './clusterClock.ts';

const voters = [1, 2, 3].map((id) => ({ id: id as MemberId }));

function clockOf(walls: readonly [id: number, wallMs: number, atMs: number][]): ClusterClock {
  const clock = new ClusterClock();
  for (const [id, wallMs, atMs] of walls) clock.observe(id as MemberId, wallMs, atMs);
  return clock;
}

describe('ClusterClock', () => {
  it('is the median of the voters, so one wild clock moves nothing', () => {
    for (const wild of [0, 5_000_000_000, -7, Number.MAX_SAFE_INTEGER]) {
      const clock = clockOf([
        [1, wild, 100],
        [2, 1_000_000, 100],
        [3, 1_000_010, 100],
      ]);
      const now = clock.now(voters, wild, 100);
      expect(now).toBeGreaterThanOrEqual(1_000_000);
      expect(now).toBeLessThanOrEqual(1_000_010);
    }
  });

  it('carries a reading forward by the monotonic clock', () => {
    const clock = clockOf([
      [1, 1_000, 0],
      [2, 1_000, 0],
      [3, 1_000, 0],
    ]);
    expect(clock.now(voters, 0, 250)).toBe(1_250);
  });

  it('takes the lower one of two, so that a clock that runs ahead does not pull time forward', () => {
    const clock = clockOf([
      [1, 9_000_000, 0],
      [2, 1_000, 0],
    ]);
    expect(clock.now(voters, 9_000_000, 0)).toBe(1_000);
  });

  it('ignores members that do not vote and readings that are too old', () => {
    const clock = clockOf([
      [9, 5, 100_000],
      [1, 7, 0],
      [2, 2_000, 100_000],
    ]);
    expect(clock.now(voters, 0, 100_000)).toBe(2_000);
  });

  it('ignores a reading that is not a number, and falls back to the own wall clock', () => {
    const clock = clockOf([[1, Number.NaN, 0]]);
    expect(clock.now(voters, 42.9, 0)).toBe(42);
  });
});
