import { describe, expect, it } from 'vitest';
import { LIMITS } from './limits.ts';
import { assignSlots, groupOfSlot, SLOT_COUNT, slotOf, slotOfPartition } from './slots.ts';

describe('slots of keys', () => {
  it('never change: what is stored under them would be lost', () => {
    expect(['', 'a', 'key-1', 'ü', '日本', '😀'].map(slotOf)).toEqual([11, 435, 151, 209, 589, 38]);
  });

  it('are in range and used evenly', () => {
    const used = new Array<number>(SLOT_COUNT).fill(0);
    for (let i = 0; i < 64 * SLOT_COUNT; i++) used[slotOf(`key-${i}`)]!++;
    expect(used).toHaveLength(SLOT_COUNT);
    expect(Math.min(...used)).toBeGreaterThan(16);
    expect(Math.max(...used)).toBeLessThan(192);
  });

  it('spread the partitions of a queue', () => {
    const slots = Array.from({ length: LIMITS.partitionsMax }, (_, i) => slotOfPartition('queue', i));
    expect(new Set(slots).size).toBeGreaterThan(LIMITS.partitionsMax / 2);
  });
});

describe('slot table', () => {
  it.each([1, 2, 3, 5, 16, 64])('shares the slots among %i groups about evenly', (shards) => {
    const counts = new Array<number>(shards + 1).fill(0);
    for (const group of assignSlots(shards)) counts[group]!++;
    expect(counts[0]).toBe(0);
    const fair = SLOT_COUNT / shards;
    for (const count of counts.slice(1)) {
      expect(count).toBeGreaterThan(fair / 3);
      expect(count).toBeLessThan(fair * 2 + 8);
    }
  });

  it('moves slots only to a new group, and about a fair share of them', () => {
    const [before, after] = [assignSlots(3), assignSlots(4)];
    const moved = [...before.keys()].filter((slot) => before[slot] !== after[slot]);
    for (const slot of moved) expect(after[slot]).toBe(4);
    expect(moved.length).toBeGreaterThan(SLOT_COUNT / 8);
    expect(moved.length).toBeLessThan(SLOT_COUNT / 2);
  });

  it('names the owner of a slot, and nobody beyond the table', () => {
    const table = assignSlots(3);
    expect(groupOfSlot(table, slotOf('a'))).toBe(table[slotOf('a')]);
    expect(groupOfSlot(new Uint8Array(0), slotOf('a'))).toBe(0);
  });
});
