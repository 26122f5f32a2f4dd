import { LockMode } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { InvariantError } from './index.ts';
import {
  acquire,
  assign,
  bytes,
  configure,
  enqueue,
  genesis,
  open,
  put,
  remove,
} from './testing/commands.ts';
import { coordination, copied, data, restored, snapshotOf } from './testing/world.ts';

function filled() {
  const w = data();
  w.ok(assign());
  w.ok(configure('q', 1, [2, 1000]));
  w.number(open());
  for (let i = 0; i < 50; i++) {
    w.ok(put(`k${i}`, bytes(i)));
    w.ok(enqueue(1, 'q', i % 2, [bytes(i), 0]));
  }
  return w;
}

describe('freeze', () => {
  it('gives the state of its moment while entries are changed, deleted, put again and added', () => {
    const w = filled();
    const digest = w.machine.digest();
    const frozen = w.machine.freeze();
    const records = [];
    let i = 0;
    for (let record = frozen.next(); record !== null; record = frozen.next()) {
      records.push(copied(record));
      const key = `k${(i * 7) % 50}`;
      if (i % 3 === 0) w.ok(put(key, bytes(99, i & 255)));
      else w.ok(remove(key));
      if (i % 5 === 0) w.ok(put(key, bytes(98)));
      if (i < 20) w.ok(put(`new${i}`, bytes(1)));
      if (i === 30) w.ok(configure('q', 2, null));
      i++;
    }
    frozen.release();
    expect(restored(records, 1).digest()).toBe(digest);
    expect(w.machine.digest()).not.toBe(digest);
  });

  it('is one at a time, and may end early', () => {
    const { machine } = filled();
    const frozen = machine.freeze();
    frozen.next();
    expect(() => machine.freeze()).toThrow(InvariantError);
    frozen.release();
    frozen.release();
    expect(frozen.next()).toBeNull();
    expect(restored(snapshotOf(machine), 1).digest()).toBe(machine.digest());
  });

  it('stays whole when a restore replaces the live state under it', () => {
    const w = filled();
    const digest = w.machine.digest();
    const empty = snapshotOf(data().machine);
    const frozen = w.machine.freeze();
    const records = [frozen.next()!];
    w.machine.restore(empty);
    w.ok(assign());
    w.ok(put('k1', bytes(5)));
    for (let record = frozen.next(); record !== null; record = frozen.next()) records.push(copied(record));
    frozen.release();
    expect(restored(records, 1).digest()).toBe(digest);
    w.machine.freeze().release();
  });
});

describe('restore', () => {
  it('empties the state first', () => {
    const w = filled();
    w.machine.restore(snapshotOf(data().machine));
    expect(w.machine.digest()).toBe(data().machine.digest());
    expect([...w.machine.sessions()]).toEqual([]);
  });

  it('takes the records behind the header and the queues in any order', () => {
    const { machine } = filled();
    const [header, slots, queue, ...rest] = snapshotOf(machine);
    const end = rest.pop()!;
    expect(restored([header!, slots!, queue!, ...rest.reverse(), end], 1).digest()).toBe(machine.digest());
  });

  it.each([
    ['cut short', (records: unknown[][]) => records.slice(0, -1)],
    ['without one record', (records: unknown[][]) => records.toSpliced(5, 1)],
    ['with a record twice', (records: unknown[][]) => records.toSpliced(5, 0, records.at(-2)!)],
    ['that goes on', (records: unknown[][]) => [...records, records[5]!]],
    ['without a header', (records: unknown[][]) => records.slice(1)],
    ['of an unknown section', (records: unknown[][]) => records.with(5, [250, 1])],
    ['of another format', (records: unknown[][]) => records.with(0, records[0]!.with(1, 99))],
    ['of nothing', () => []],
  ])('refuses a snapshot %s and is empty after it', (_, spoil) => {
    const w = filled();
    const records = spoil(snapshotOf(w.machine) as unknown[][]);
    expect(() => w.machine.restore(records)).toThrow(InvariantError);
    expect(w.machine.digest()).toBe(data().machine.digest());
  });

  it('refuses the snapshot of another group', () => {
    expect(() => data(2).machine.restore(snapshotOf(filled().machine))).toThrow('does not fit group 2');
  });

  it('refuses locks that two sessions hold at once', () => {
    const w = coordination();
    w.ok(genesis('c', 1, 1, 0));
    const [one, two] = [w.number(open()), w.number(open())];
    w.ok(acquire(one, 'a', LockMode.Exclusive, 0));
    w.ok(acquire(two, 'b', LockMode.Exclusive, 0));
    const records = snapshotOf(w.machine).map((record) =>
      record.map((field) => (field === 'b' ? 'a' : field)),
    );
    expect(() => restored(records, 0)).toThrow('compatible');
  });
});

describe('digest', () => {
  it.each([
    [
      'a byte of a payload',
      () => enqueue(0, 'q', 0, [bytes(1, 2, 3), 0]),
      () => enqueue(0, 'q', 0, [bytes(1, 2, 4), 0]),
    ],
    ['a delay', () => enqueue(0, 'q', 0, [bytes(), 5]), () => enqueue(0, 'q', 0, [bytes(), 6])],
    ['a key', () => put('a', bytes()), () => put('b', bytes())],
    ['a time to live', () => put('a', bytes(), 1), () => put('a', bytes(), 2)],
    ['a time to live of a session', () => open(1000), () => open(1001)],
  ])('differs by %s', (_, one, two) => {
    const [a, b] = [filled(), filled()];
    expect(a.machine.digest()).toBe(b.machine.digest());
    a.ok(one());
    b.ok(two());
    expect(a.machine.digest()).not.toBe(b.machine.digest());
  });

  it('does not depend on the order in which entries came', () => {
    const [a, b] = [data(), data()];
    for (const w of [a, b]) w.ok(assign());
    a.ok(open());
    a.ok(configure('x', 1, [1, 1000]));
    a.ok(configure('y', 2, [1, 1000]));
    b.ok(configure('y', 2, [1, 1000]));
    b.ok(configure('x', 1, [1, 1000]));
    b.ok(open());
    expect(a.machine.digest()).toBe(b.machine.digest());
  });
});
