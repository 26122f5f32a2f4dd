import { describe, expect, test } from 'vitest';
import { majorityValue, quorumSize, tallyVotes } from './quorum.ts';
import { configurationOf, member, seeded } from './testing/network.ts';

describe('quorum', () => {
  test.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
  ])('of %i voters takes %i', (voters, size) => {
    expect(quorumSize(voters)).toBe(size);
  });

  test('the majority value is the highest that a quorum has reached (Raft §5.3)', () => {
    const random = seeded(7);
    for (let run = 0; run < 500; run += 1) {
      const count = 1 + Math.floor(random() * 7);
      const values = Array.from({ length: count }, () => Math.floor(random() * 6));
      const { voters } = configurationOf(values.map((_, i) => i + 1));
      const value = majorityValue(voters, (id) => values[id - 1]!);
      const reached = (least: number) => values.filter((one) => one >= least).length >= quorumSize(count);
      expect(reached(value)).toBe(true);
      expect(reached(value + 1)).toBe(false);
    }
  });

  test('nobody promises anything without voters', () => {
    expect(majorityValue([], () => 9)).toBe(0);
    expect(tallyVotes([], new Map([[member(1), true]]))).toBe('lost');
  });

  test.each([
    [{ 1: true }, 'pending'],
    [{ 1: true, 2: true }, 'won'],
    [{ 1: true, 2: false, 3: false }, 'lost'],
    [{ 2: false, 3: false }, 'lost'],
    // Members 4 and 5 are no voters.
    [{ 1: true, 4: true, 5: true }, 'pending'],
    [{ 4: false, 5: false, 6: false }, 'pending'],
  ] as const)('votes %j of three voters are %s', (votes, tally) => {
    const cast = new Map(Object.entries(votes).map(([id, vote]) => [member(Number(id)), vote as boolean]));
    expect(tallyVotes(configurationOf([1, 2, 3]).voters, cast)).toBe(tally);
  });
});
