import { describe, expect, it } from 'vitest';
import { DueHeap } from './expiry.ts';
import { Random } from './testing/random.ts';

interface Item {
  id: number;
  dueStampMs: number;
  heapIndex: number;
}

describe('due heap', () => {
  it('gives what is due by (due, id), through removals, reschedulings and mass removals', () => {
    for (let seed = 0; seed < 12; seed++) {
      const random = new Random(seed);
      const heap = new DueHeap<Item>((item) => item.id);
      let live: Item[] = [];
      const sorted = () => live.sort((a, b) => a.dueStampMs - b.dueStampMs || a.id - b.id);
      for (let i = 0; i < 400; i++) {
        const choice = random.below(10);
        if (choice < 5) {
          const item = { id: i, dueStampMs: random.below(50), heapIndex: -1 };
          live.push(item);
          heap.schedule(item);
        } else if (choice < 7 && live.length > 0) {
          const item = random.pick(live);
          item.dueStampMs = random.chance(20) ? Infinity : random.below(50);
          heap.schedule(item);
          if (item.dueStampMs === Infinity) live.splice(live.indexOf(item), 1);
        } else if (choice < 8 && live.length > 0) {
          heap.cancel(live.splice(random.below(live.length), 1)[0]!);
        } else if (choice < 9) {
          const until = random.below(20);
          const due = sorted().filter((item) => item.dueStampMs <= until);
          for (const item of due) expect(heap.popDue(until)).toBe(item);
          expect(heap.popDue(until)).toBeNull();
          live = live.filter((item) => !due.includes(item));
        } else if (random.chance(20)) {
          live = live.filter((item) => item.id % 3 !== 0);
          heap.retain((item) => item.id % 3 !== 0);
        }
        expect(heap.size).toBe(live.length);
        expect(heap.nextDueStampMs()).toBe(sorted()[0]?.dueStampMs ?? Infinity);
      }
    }
  });
});
