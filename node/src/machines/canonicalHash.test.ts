import { describe, expect, it } from 'vitest';
import { canonicalHash } from './canonicalHash.ts';

describe('canonical hash', () => {
  it('tells values of different kind, order, nesting and high bits apart', () => {
    const values = [
      null,
      false,
      true,
      0,
      1,
      -1,
      2 ** 32,
      2 ** 33,
      2 ** 52,
      '',
      '0',
      '1',
      'ab',
      'ba',
      [],
      [[]],
      [0],
      [1, 2],
      [2, 1],
      [[1], 2],
      [1, [2]],
      new Uint8Array(0),
      new Uint8Array(1),
      new Uint8Array([1]),
      new Uint8Array([0, 0]),
    ];
    expect(new Set(values.map((value) => canonicalHash(value))).size).toBe(values.length);
  });

  it('is the same for bytes whatever carries them', () => {
    const whole = new Uint8Array([9, 1, 2, 9]);
    expect(canonicalHash(Buffer.from([1, 2]))).toBe(canonicalHash(whole.subarray(1, 3)));
  });

  it('refuses what a snapshot cannot hold', () => {
    expect(() => canonicalHash(undefined)).toThrow(TypeError);
    expect(() => canonicalHash({ 1: 2 })).toThrow(TypeError);
  });
});
