import { describe, expect, it } from 'vitest';
import { Random } from './random.ts';

describe('seeded chance', () => {
  it('gives the same draws for the same seed, and others for another', () => {
    const draws = (seed: number): number[] => {
      const random = new Random(seed);
      return Array.from({ length: 20 }, () => random.next());
    };
    expect(draws(1)).toEqual(draws(1));
    expect(draws(1)).not.toEqual(draws(2));
    for (const draw of draws(3)) {
      expect(draw).toBeGreaterThanOrEqual(0);
      expect(draw).toBeLessThan(1);
    }
  });

  it('stays within bounds and follows weights', () => {
    const random = new Random(4);
    const seen = new Set(Array.from({ length: 200 }, () => random.between(2, 4)));
    expect([...seen].sort()).toEqual([2, 3, 4]);
    const often = Array.from({ length: 1_000 }, () => random.weighted({ often: 9, seldom: 1, never: 0 }));
    expect(often).not.toContain('never');
    const share = often.filter((key) => key === 'often').length;
    expect(share).toBeGreaterThan(800);
    expect(share).toBeLessThan(980);
  });

  it('has forks that do not disturb their source', () => {
    const [one, other] = [new Random(5), new Random(5)];
    const [fork] = [one.fork(), other.fork()];
    for (let i = 0; i < 10; i++) fork.next();
    expect(one.next()).toBe(other.next());
  });
});
