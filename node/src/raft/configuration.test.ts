import { describe, expect, test } from 'vitest';
import { ConfigurationHistory, isOneChange } from './configuration.ts';
import { configurationOf, member } from './testing/network.ts';

const from = configurationOf([1, 2, 3], [4]);

describe('one change (thesis §4.1)', () => {
  test.each([
    ['adds a voter', configurationOf([1, 2, 3, 5], [4])],
    ['removes a voter', configurationOf([1, 2], [4])],
    ['promotes a learner', configurationOf([1, 2, 3, 4])],
    ['demotes a voter', configurationOf([1, 2], [3, 4])],
    ['changes any learners', configurationOf([1, 2, 3], [5, 6, 7])],
    ['changes a voter and learners together', configurationOf([1, 2, 3, 4], [8, 9])],
  ])('%s', (_, to) => {
    expect(isOneChange(from, to)).toBe(true);
  });

  test.each([
    ['nothing changes', configurationOf([3, 2, 1], [4])],
    ['two voters are added', configurationOf([1, 2, 3, 4, 5])],
    ['a voter is exchanged', configurationOf([1, 2, 5], [4])],
    ['no voter is left', configurationOf([], [4])],
    ['a member is listed twice', configurationOf([1, 2, 3, 5, 5], [4])],
    ['a voter is a learner too', configurationOf([1, 2, 3], [3])],
    ['an id is none', configurationOf([1, 2, 3, 0], [4])],
    ['an ordinal changes', { voters: from.voters, learners: [{ id: member(4), ordinal: 9 as never }] }],
  ])('refused when %s', (_, to) => {
    expect(isOneChange(from, to)).toBe(false);
  });
});

describe('configuration history', () => {
  test('is in force when appended, and taken back when truncated', () => {
    const history = new ConfigurationHistory(1, configurationOf([1]));
    history.append(5, configurationOf([1, 2]));
    history.append(9, configurationOf([1, 2, 3]));
    expect(history.current).toEqual(configurationOf([1, 2, 3]));
    expect(history.at(8)).toEqual(configurationOf([1, 2]));
    history.truncateFrom(9);
    expect(history.currentIndex).toBe(5);
    history.forgetBefore(7);
    expect(history.at(7)).toEqual(configurationOf([1, 2]));
    expect(() => history.truncateFrom(5)).toThrow('truncated');
  });

  test('a member may be a voter as long as its removal may be taken back', () => {
    const history = new ConfigurationHistory(1, configurationOf([1, 2]));
    history.append(5, configurationOf([2]));
    expect(history.mayBeVoter(member(1), 4)).toBe(true);
    expect(history.mayBeVoter(member(1), 5)).toBe(false);
    expect(history.mayBeVoter(member(2), 5)).toBe(true);
    expect(history.mayBeVoter(member(3), 0)).toBe(false);
  });
});
