import { describe, expect, it } from 'vitest';
import { RemovedForEver } from './removedForEver.ts';

describe('removed for ever', () => {
  it('finds who was forgotten, at the same version too', () => {
    const removed = new RemovedForEver();
    expect(removed.look('c', { version: 4, tombstones: [1] })).toBeNull();
    expect(removed.look('c', { version: 5, tombstones: [1, 2] })).toBeNull();
    expect(removed.look('c', { version: 5, tombstones: [1] })).toBe(2);
  });

  it('does not hold an older copy, or another cluster, to it', () => {
    const removed = new RemovedForEver();
    removed.look('c', { version: 5, tombstones: [1, 2] });
    expect(removed.look('c', { version: 4, tombstones: [1] })).toBeNull();
    expect(removed.look('c', { version: 6, tombstones: [1] })).toBe(2);
    expect(removed.look('d', { version: 7, tombstones: [] })).toBeNull();
  });
});
