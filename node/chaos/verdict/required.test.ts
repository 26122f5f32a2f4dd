import { expect, it } from 'vitest';
import { noCounts } from '../nemesis/counts.ts';
import { missing } from './required.ts';

const ENOUGH = {
  ...noCounts(),
  kills: 20,
  partitions: 10,
  pauses: 3,
  terminations: 1,
  wildClocks: 1,
  clientFaults: 2,
  diskFullPeriods: 1,
  startsOnFullDisk: 1,
  scalings: 2,
  volumesLost: 1,
  transfers: 1,
};

it('names what three minutes did not show', () => {
  expect(missing(ENOUGH, 180_000, true)).toEqual([]);
  expect(missing({ ...ENOUGH, kills: 19, diskFullPeriods: 0 }, 180_000, true)).toEqual([
    'kills: 19, and at least 20 were due',
    'diskFullPeriods: 0, and at least 1 were due',
  ]);
  expect(missing({ ...ENOUGH, volumesLost: 0, transfers: 0 }, 180_000, true)).toEqual([
    'volumesLost: 0, and at least 1 were due',
    'transfers: 0, and at least 1 were due',
  ]);
  expect(missing({ ...ENOUGH, diskFullPeriods: 0, startsOnFullDisk: 0 }, 180_000, false)).toEqual([]);
});

it('asks for more of longer runs and for less of shorter ones', () => {
  expect(missing(ENOUGH, 360_000, true)).toContain('kills: 20, and at least 40 were due');
  expect(missing({ ...ENOUGH, kills: 6, partitions: 3, pauses: 1, scalings: 0 }, 60_000, true)).toEqual([]);
});
