import { describe, expect, it } from 'vitest';
import { entry, Members } from './testing/members.ts';

/** Member 1 leads term 2 of members 1, 2 and 3, which agree on one entry of term 1. */
function led(): Members {
  const members = new Members();
  for (const member of [1, 2, 3]) members.writes(member, entry(1, 1));
  configure(members, 1, 1, [1, 2, 3]);
  for (const voter of [1, 2]) members.votes(voter, 2, 1);
  members.leads(1, 2);
  for (const member of [1, 2, 3]) members.writes(member, entry(2, 2));
  return members;
}

function configure(
  members: Members,
  member: number,
  index: number,
  voters: readonly number[],
  learners: readonly number[] = [],
): Members {
  return members.show(member, { kind: 'configuration', group: 0, index, voters, learners });
}

describe('commit in the own term', () => {
  it('refuses a leader that commits an entry of an earlier term by counting', () => {
    expect(led().commits(1, 2, 2).verdicts).toEqual([]);
    expect(led().commits(1, 1, 2).verdicts).toEqual(['commit in the own term']);
  });

  it('lets followers commit whatever their leader says is committed', () => {
    expect(led().commits(2, 1, 2).verdicts).toEqual([]);
  });

  it('does not hold a member to a leadership of before its restart', () => {
    const members = led().returns(1, [entry(1, 1), entry(2, 2)], 2, 1);
    expect(members.commits(1, 1, 2).verdicts).toEqual([]);
  });
});

describe('membership changes', () => {
  const many = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, 2));

  it('one after the other, each when the last is committed', () => {
    const members = led().commits(1, 2, 2).writes(1, entry(3, 2));
    configure(members, 1, 3, [1, 2]);
    expect(members.verdicts).toEqual([]);
    members.writes(1, entry(4, 2));
    configure(members, 1, 4, [1]);
    expect(members.verdicts).toEqual(['membership changes']);
  });

  it('not before the leader has committed in its own term', () => {
    const members = led().writes(1, entry(3, 2));
    configure(members, 1, 3, [1, 2]);
    expect(members.verdicts).toEqual(['membership changes']);
  });

  it('refuses the promotion of a learner that lacks most of the log', () => {
    for (const [has, verdicts] of [
      [60, []],
      [20, ['membership changes']],
    ] as const) {
      const members = led()
        .writes(1, ...many(3, 100))
        .writes(2, ...many(3, 100));
      members.writes(4, entry(1, 1), ...many(2, has)).commits(1, 100, 2);
      members.writes(1, entry(101, 2)).writes(2, entry(101, 2));
      configure(members, 1, 101, [1, 2, 3], [4]).commits(1, 101, 2);
      configure(members.writes(1, entry(102, 2)), 1, 102, [1, 2, 3, 4]);
      expect(members.verdicts).toEqual(verdicts);
    }
  });

  it('refuses an id that was removed, but not one whose removal was never committed', () => {
    const taken = led().commits(1, 2, 2).writes(1, entry(3, 2));
    configure(taken, 1, 3, [1, 2]);
    const back = [1, 2, 3];
    // Truncated: the old configuration counts again.
    expect(configure(taken, 1, 1, back).verdicts).toEqual([]);
    const members = led().commits(1, 2, 2).writes(1, entry(3, 2));
    configure(members, 1, 1, back).commits(1, 2, 2);
    configure(members.writes(2, entry(3, 2)), 1, 3, [1, 2]).commits(1, 3, 2);
    configure(members.writes(1, entry(4, 2)), 1, 4, [1, 2], [3]);
    expect(members.verdicts).toEqual(['membership changes']);
  });

  // `npm run sim -- --seed 800057`: what it goes by is shown after what is committed.
  it('takes no removal for committed that was overwritten when the commit was seen', () => {
    const back = [1, 2, 3];
    const members = led().commits(1, 2, 2).writes(1, entry(3, 2));
    configure(members, 1, 1, back);
    configure(members, 1, 3, [1, 2]);
    members.show(1, { kind: 'role', group: 0, term: 3, role: 'follower', voters: back });
    members.writes(1, entry(3, 3)).commits(1, 3, 3);
    configure(members, 1, 1, back);
    members.writes(2, entry(1, 1), entry(2, 2), entry(3, 3), entry(4, 3));
    expect(configure(members, 2, 4, back).verdicts).toEqual([]);
  });
});
