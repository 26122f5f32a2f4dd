import { expect, it } from 'vitest';
import { hasQuorum } from './quorum.ts';

const all = (): boolean => true;

it.for([
  ['three of three', [0, 1, 2], [], [], true],
  ['one of three down', [0, 1, 2], [1], [], true],
  ['two of three down', [0, 1, 2], [1, 2], [], false],
  ['a bridge of three', [0, 1, 2], [], ['0>1', '1>0'], true],
  ['one way between two, the third down', [0, 1, 2], [2], ['0>1'], false],
  ['everybody apart', [0, 1, 2], [], ['0>1', '1>2', '2>0'], false],
  ['a majority of five', [0, 1, 2, 3, 4], [0, 3], [], true],
  ['three of five in a chain', [0, 1, 2, 3, 4], [0, 3], ['1>4'], false],
  ['nobody', [], [], [], false],
] as const)('%s', ([, members, down, broken, expected]) => {
  const isUp = (ordinal: number): boolean => !(down as readonly number[]).includes(ordinal);
  const isLinked = (a: number, b: number): boolean => !(broken as readonly string[]).includes(`${a}>${b}`);
  expect(hasQuorum(members, isUp, isLinked)).toBe(expected);
  if (expected) expect(hasQuorum(members, all, all)).toBe(true);
});
