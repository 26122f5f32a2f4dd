import { assignSlots, QueryOp, slotOf } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { assign, bytes, expire, put, remove } from './testing/commands.ts';
import { data } from './testing/world.ts';

function world() {
  const w = data();
  w.ok(assign());
  return { w, get: (key: string) => w.ask([QueryOp.CacheGet, key]) };
}

describe('cache', () => {
  it('gives back what was put, with versions that rise over all keys', () => {
    const { w, get } = world();
    const first = w.number(put('a', bytes(1)));
    const second = w.number(put('b', bytes(2)));
    const third = w.number(put('a', bytes(3)));
    expect([first, second, third]).toEqual([0, 1, 2].map((i) => w.stampMs * 1024 + i));
    expect(get('a')).toEqual([third, bytes(3), 0]);
    expect(get('none')).toEqual([0, null, 0]);
  });

  it('never takes the version of an entry that was deleted for a new one', () => {
    const { w, get } = world();
    const version = w.number(put('a', bytes(1)));
    expect(w.ok(remove('a'))).toEqual([true]);
    expect(w.ok(remove('a'))).toEqual([false]);
    expect(w.number(put('a', bytes(1)))).toBeGreaterThan(version);
    expect(get('a')[1]).toEqual(bytes(1));
  });

  it('drops an entry when its end is logged; until then it says when it ends', () => {
    const { w, get } = world();
    w.ok(put('a', bytes(1), 100));
    w.ok(put('b', bytes(1), 200));
    expect(w.machine.nextDueStampMs()).toBe(w.stampMs + 100);
    w.stampMs += 150;
    expect(get('a')).toEqual([expect.any(Number), bytes(1), w.stampMs - 50]);
    w.ok(expire());
    expect(get('a')).toEqual([0, null, 0]);
    expect(get('b')[1]).toEqual(bytes(1));
    expect(w.machine.nextDueStampMs()).toBe(w.stampMs + 50);
  });

  it('deletes nothing of which the time has come, though its end is not logged yet', () => {
    const { w, get } = world();
    w.ok(put('a', bytes(1), 100));
    w.ok(put('b', bytes(1), 101));
    w.stampMs += 100;
    // Readers are told at this stamp that it is gone, and it must not have been there afterwards.
    expect(w.ok(remove('a'))).toEqual([false]);
    expect(w.ok(remove('b'))).toEqual([true]);
    expect(get('a')).toEqual([0, null, 0]);
    expect(w.machine.nextDueStampMs()).toBe(Infinity);
  });

  it.each([
    ['a longer one', 1000, 1000],
    ['a shorter one', 5, 5],
    ['none', 0, Infinity],
  ])('replaces the time to live by %s with the value', (_, ttlMs, due) => {
    const { w } = world();
    w.ok(put('a', bytes(1), 100));
    w.ok(put('a', bytes(2), ttlMs));
    expect(w.machine.nextDueStampMs()).toBe(due === Infinity ? Infinity : w.stampMs + due);
    w.ok(remove('a'));
    expect(w.machine.nextDueStampMs()).toBe(Infinity);
  });

  it('answers MOVED for slots of another group', () => {
    const { w } = world();
    const table = assignSlots(1);
    table[slotOf('a')] = 2;
    w.ok(assign(2, 1, table));
    expect(w.code(put('a', bytes()))).toBe('MOVED');
    expect(w.code(remove('a'))).toBe('MOVED');
    expect(w.machine.query([QueryOp.CacheGet, 'a'])).toMatchObject({ code: 'MOVED' });
    expect(w.ok(put('b', bytes()))).toHaveLength(1);
  });

  it('holds no large buffer for a small value', () => {
    const { w, get } = world();
    const entry = new Uint8Array(1_000_000).fill(7);
    w.ok(put('a', entry.subarray(10, 20)));
    w.ok(put('b', entry.subarray(0, 5_000)));
    for (const [key, length] of [
      ['a', 10],
      ['b', 5_000],
    ] as const) {
      const value = get(key)[1] as Uint8Array;
      expect(value).toEqual(new Uint8Array(length).fill(7));
      expect(value.buffer.byteLength).toBeLessThanOrEqual(16 * 1024);
    }
  });
});
