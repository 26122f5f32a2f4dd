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
      const now = clock.now(voters, 100);
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
    expect(clock.now(voters, 250)).toBe(1_250);
  });

  it('takes the lower one of two, so that a clock that runs ahead does not pull time forward', () => {
    const clock = clockOf([
      [1, 9_000_000, 0],
      [2, 1_000, 0],
    ]);
    expect(clock.now(voters, 0)).toBe(1_000);
  });

  it('is not pulled forward by two of five, whichever quorum was heard of so far', () => {
    const five = [1, 2, 3, 4, 5].map((id) => ({ id: id as MemberId }));
    for (const heard of [
      [1, 2, 3],
      [1, 2, 3, 4],
      [1, 2, 3, 4, 5],
    ]) {
      const clock = clockOf(heard.map((id) => [id, id <= 2 ? 9_000_000 + id : 1_000 + id, 0]));
      const now = clock.now(five, 0);
      expect(now).toBeGreaterThanOrEqual(1_003);
      expect(now).toBeLessThanOrEqual(1_005);
    }
  });

  it('is not pulled forward by two of four, as there may be while a cluster grows', () => {
    const four = [1, 2, 3, 4].map((id) => ({ id: id as MemberId }));
    for (const heard of [
      [1, 2, 3],
      [1, 2, 3, 4],
    ]) {
      const clock = clockOf(heard.map((id) => [id, id <= 2 ? 9_000_000 + id : 1_000 + id, 0]));
      expect([1_003, 1_004]).toContain(clock.now(four, 0));
    }
  });

  it('is not known while all that was heard of may be wild', () => {
    const five = [1, 2, 3, 4, 5].map((id) => ({ id: id as MemberId }));
    expect(clockOf([[1, 9_000_000, 0]]).now(voters, 0)).toBe(0);
    expect(
      clockOf([
        [1, 9_000_000, 0],
        [2, 8_000_000, 0],
      ]).now(five, 0),
    ).toBe(0);
    // One that is alone is all there is.
    expect(clockOf([[1, 7_000, 0]]).now(voters.slice(0, 1), 5)).toBe(7_005);
  });

  it('ignores members that do not vote and readings that are too old', () => {
    const clock = clockOf([
      [9, 5, 100_000],
      [1, 7, 0],
      [2, 2_000, 100_000],
      [3, 2_500, 100_000],
    ]);
    expect(clock.now(voters, 100_000)).toBe(2_000);
  });

  it('ignores a reading that is not a number, and is whole', () => {
    const clock = clockOf([
      [1, Number.NaN, 0],
      [2, 42.9, 0],
      [3, 43.9, 0],
    ]);
    expect(clock.now(voters, 0)).toBe(42);
  });
});
