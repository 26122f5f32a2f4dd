import { Op } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { FEATURES, type Features, serves, TooOldError } from './features.ts';
import { InvariantError } from './invariant.ts';
import { featureLevel, open, put } from './testing/commands.ts';
import { coordination, data, restored, snapshotOf } from './testing/world.ts';

const VALUE = new Uint8Array([1]);

/** A version to come, in which puts are known from level 2 on, and one of before that knows none. */
const next: Features = { level: 2, since: new Map([...FEATURES.since, [Op.CachePut, 2]]) };
const previous: Features = {
  level: 1,
  since: new Map([...FEATURES.since].filter(([op]) => op !== Op.CachePut)),
};

describe('the features of this version', () => {
  it('say of every operation since which level it is known', () => {
    for (const op of Object.values(Op)) expect(FEATURES.since.get(op), `operation ${op}`).toBeGreaterThan(0);
    expect(FEATURES.since.size).toBe(Object.keys(Op).length);
    expect(Math.max(...FEATURES.since.values())).toBeLessThanOrEqual(FEATURES.level);
  });

  it.each([
    ['one of the first level', true, FEATURES, 1, Op.CachePut],
    ['one of the level', true, next, 2, Op.CachePut],
    ['one below the level', true, next, 3, Op.CachePut],
    ['one above the level', false, next, 1, Op.CachePut],
    ['one that is unknown', false, previous, 1, Op.CachePut],
    ['one that is unknown, whatever the level', false, previous, 9, Op.CachePut],
    ['one that nobody knows', false, FEATURES, 1, 199],
  ])('a group serves %s: %s', (_what, served, features, level, op) => {
    expect(serves(features, level, op)).toBe(served);
  });
});

describe('a machine', () => {
  it('begins at the first level', () => {
    expect(coordination().machine.featureLevel()).toBe(1);
    expect(data().machine.featureLevel()).toBe(1);
  });

  it('gives what is above the level the same answer on every member that knows it, and changes nothing', () => {
    const w = data(1, next);
    const before = w.machine.digest();
    expect(w.code(put('k', VALUE))).toBe('UNSUPPORTED');
    expect(w.machine.digest()).toBe(before);
    w.ok(featureLevel(2));
    // The group owns no slots here: but the operation is looked at.
    expect(w.code(put('k', VALUE))).toBe('MOVED');
  });

  it('stops at an operation that its version does not know', () => {
    expect(() => data(1, previous).run(put('k', VALUE))).toThrow(InvariantError);
  });

  it('stops where its group is raised above its version, and is left as it was', () => {
    const w = coordination(previous);
    w.ok(open());
    const before = w.machine.digest();
    expect(() => w.run(featureLevel(2))).toThrow(TooOldError);
    expect(() => w.run(featureLevel(2))).toThrow(/group 0 is at feature level 2 .* up to 1: start a newer/);
    expect(w.machine.digest()).toBe(before);
  });

  it('takes no snapshot of a level above its version, and any other', () => {
    const w = data(1, next);
    w.ok(featureLevel(2));
    const records = snapshotOf(w.machine);
    expect(() => restored(records, 1, previous)).toThrow(TooOldError);
    expect(restored(records, 1, next).featureLevel()).toBe(2);
  });
});
