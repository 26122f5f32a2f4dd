import { describe, expect, it } from 'vitest';
import { declare, undeclare } from './testing/commands.ts';
import { coordination } from './testing/world.ts';

describe('catalogue', () => {
  it('gives generations over all queues, the same for the same declaration', () => {
    const w = coordination();
    expect(w.ok(declare('b', [3, 1000]))).toEqual([1]);
    expect(w.ok(declare('a', [3, 1000]))).toEqual([2]);
    expect(w.ok(declare('b', [3, 1000]))).toEqual([1]);
    expect(w.code(declare('b', [4, 1000]))).toBe('CONFLICT');
    expect(w.code(declare('b', [3, 1001]))).toBe('CONFLICT');
    expect(w.machine.catalogue()).toEqual([
      ['a', 2, [3, 1000]],
      ['b', 1, [3, 1000]],
    ]);
  });

  it('keeps what was deleted as a tombstone, and lets it be declared again', () => {
    const w = coordination();
    w.ok(declare('a', [1, 1000]));
    expect(w.ok(undeclare('a'))).toEqual([2]);
    expect(w.machine.catalogue()).toEqual([['a', 2, null]]);
    expect(w.code(undeclare('a'))).toBe('NOT_FOUND');
    expect(w.code(undeclare('never'))).toBe('NOT_FOUND');
    expect(w.ok(declare('a', [5, 2000]))).toEqual([3]);
    expect(w.machine.catalogue()).toEqual([['a', 3, [5, 2000]]]);
  });

  it('is the same array until it changes', () => {
    const w = coordination();
    w.ok(declare('a', [1, 1000]));
    const before = w.machine.catalogue();
    w.ok(declare('a', [1, 1000]));
    expect(w.machine.catalogue()).toBe(before);
    w.ok(declare('b', [1, 1000]));
    expect(w.machine.catalogue()).not.toBe(before);
  });
});
