import { describe, expect, it } from 'vitest';
import { missing, noMarks, noneStruck } from './marks.ts';
import { drawPlan, FAULT_NAMES } from './plan.ts';

describe('the plan of a run', () => {
  it('has the clocks of a minority wrong, at every size the cluster may take, any member among them', () => {
    const seen = new Set<number>();
    const counts = new Set<number>();
    for (let seed = 1; seed <= 3_000; seed++) {
      const { faults, members, slots, wildClocks } = drawPlan(seed, null);
      if (!faults.has('wildClock') || members === 1) {
        expect(wildClocks).toEqual([]);
        continue;
      }
      const ordinals = wildClocks.map(({ ordinal }) => ordinal);
      const sizes = slots === members ? [members] : [3, 5];
      if (members === 5 && slots === 5 && faults.has('scale')) sizes.push(3);
      for (const size of sizes) {
        expect(ordinals.filter((ordinal) => ordinal < size).length).toBeLessThanOrEqual((size - 1) / 2);
      }
      expect(new Set(ordinals).size).toBe(ordinals.length);
      // A founder's clock is the cluster's.
      expect(wildClocks.every(({ ordinal, fromStart }) => ordinal > 0 || !fromStart)).toBe(true);
      expect(wildClocks.filter(({ fromStart }) => fromStart).length).toBeLessThanOrEqual(1);
      counts.add(ordinals.length);
      for (const ordinal of ordinals) seen.add(ordinal);
    }
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4]);
    expect([...counts].sort()).toEqual([1, 2]);
  });
});

describe('the counts of a run', () => {
  it('name what never came about', () => {
    const struck = noneStruck();
    for (const name of FAULT_NAMES) if (name !== 'reset') struck[name] = 1;
    expect(missing(struck, 100)).toEqual(['reset']);
    expect(missing(struck, 99)).toEqual([]);
    const marks = { ...noMarks(), crashes: 3 };
    expect(missing(marks, 100)).toContain('elections');
    expect(missing(marks, 100)).not.toContain('crashes');
    expect(missing(marks, 100)).not.toContain('membersTooOld');
    expect(missing(marks, 1_000)).toContain('membersTooOld');
  });
});
