import { describe, expect, it } from 'vitest';
import { checkObservations } from './observationChecker.ts';
import { entry, Members } from './testing/members.ts';

/** Three members that agree on two entries of term 1, the first of them led by member 1. */
function agreed(): Members {
  const members = new Members();
  for (const voter of [1, 2]) members.votes(voter, 1, 1);
  members.leads(1, 1);
  for (const member of [1, 2, 3]) members.writes(member, entry(1, 1), entry(2, 1));
  for (const member of [1, 2, 3]) members.commits(member, 2, 1).applies(member, 2, 77);
  return members;
}

function acknowledges(
  members: Members,
  index: number,
  durable: Record<number, number>,
  voters = [1, 2, 3],
): Members {
  return members.show(1, {
    kind: 'acknowledged',
    group: 0,
    index,
    voters,
    durable: Object.entries(durable).map(([member, on]) => ({ member: Number(member), index: on })),
  });
}

describe('members that behave', () => {
  it('show nothing to complain of', () => {
    const members = agreed();
    acknowledges(members, 2, { 1: 2, 2: 2 });
    members
      .returns(3, [entry(1, 1), entry(2, 1)])
      .commits(3, 2, 1)
      .applies(3, 2, 77);
    // A new leader overwrites what was never committed.
    members.writes(1, entry(3, 1));
    for (const voter of [2, 3]) members.votes(voter, 2, 2);
    members.leads(2, 2).writes(2, entry(3, 2)).writes(3, entry(3, 2)).writes(1, entry(3, 2));
    members.commits(2, 3, 2).applies(2, 3, 78);
    members.show(3, { kind: 'installed', group: 0, index: 3, term: 2, stateHash: 78 });
    expect(members.violations).toEqual([]);
    expect(checkObservations(members.observations)).toEqual([]);
  });
});

describe('one leader per term', () => {
  it('refuses a second one, and allows the same to show itself again', () => {
    expect(agreed().leads(1, 1).verdicts).toEqual([]);
    expect(agreed().leads(2, 1).verdicts).toContain('one leader per term');
  });

  it('refuses two votes of one member in one term', () => {
    expect(agreed().votes(2, 1, 3).verdicts).toEqual(['one leader per term']);
  });

  it('refuses a leader without a quorum of durable votes, a learner counted in', () => {
    expect(agreed().votes(2, 2, 2).leads(2, 2).verdicts).toEqual(['one leader per term']);
    expect(agreed().votes(2, 2, 2).votes(9, 2, 2).leads(2, 2).verdicts).toEqual(['one leader per term']);
  });

  it('refuses a member that forgot its vote, or its term, over a restart', () => {
    const log = [entry(1, 1), entry(2, 1)];
    expect(agreed().votes(2, 5, 3).returns(2, log, 5, 3).verdicts).toEqual([]);
    expect(agreed().votes(2, 5, 3).returns(2, log, 5, 0).verdicts).toEqual(['one leader per term']);
    expect(agreed().votes(2, 5, 3).returns(2, log, 4, 0).verdicts).toEqual(['one leader per term']);
  });

  it('refuses the vote of a member whose volume was lost', () => {
    expect(agreed().show(2, { kind: 'volumeLost' }).votes(2, 2, 2).verdicts).toEqual(['one leader per term']);
  });
});

describe('log matching', () => {
  it('refuses another content under the same index and term', () => {
    expect(
      agreed()
        .writes(1, entry(3, 1))
        .writes(2, entry(3, 1, 666)).verdicts,
    ).toEqual(['log matching']);
  });

  it('refuses another predecessor of the same entry', () => {
    const members = agreed().writes(1, entry(3, 1), entry(4, 3)).writes(2, entry(3, 2), entry(4, 3));
    expect(members.verdicts).toEqual(['log matching']);
  });

  it('refuses a hole, and a term that falls', () => {
    expect(agreed().writes(1, entry(4, 1)).verdicts).toContain('log matching');
    expect(agreed().writes(1, entry(3, 2), entry(4, 1)).verdicts).toEqual(['log matching']);
  });
});

describe('committed prefix', () => {
  it('refuses two entries committed at one index', () => {
    const members = agreed().writes(1, entry(3, 1)).commits(1, 3, 1).writes(2, entry(3, 2)).commits(2, 3, 2);
    expect(members.verdicts).toEqual(['committed prefix']);
  });

  it('refuses to overwrite what the member itself had committed', () => {
    expect(agreed().writes(1, entry(2, 2)).verdicts).toContain('committed prefix');
  });

  it('allows what is committed to come again', () => {
    expect(agreed().writes(1, entry(2, 1)).verdicts).toEqual([]);
  });

  it('refuses a commit index that falls, or goes beyond the log', () => {
    expect(agreed().commits(1, 1, 1).verdicts).toEqual(['committed prefix']);
    expect(agreed().commits(1, 3, 1).verdicts).toEqual(['committed prefix']);
  });

  it('refuses a leader of a later term that lacks what was committed', () => {
    const members = agreed().writes(1, entry(3, 1)).commits(1, 3, 1);
    for (const voter of [2, 3]) members.votes(voter, 2, 2);
    expect(members.leads(2, 2).verdicts).toEqual(['committed prefix']);
  });

  it('allows a leader of an earlier term, which came late, to lack it', () => {
    const members = agreed().writes(1, entry(3, 5)).commits(1, 3, 5);
    for (const voter of [2, 3]) members.votes(voter, 4, 2);
    expect(members.leads(2, 4).verdicts).toEqual([]);
  });

  it('gives up what the survivor of a forced recovery does not have', () => {
    const members = agreed().writes(1, entry(3, 1)).commits(1, 3, 1);
    members.show(2, { kind: 'recovered' });
    members.votes(2, 2, 2).leads(2, 2, [2]).writes(2, entry(3, 2)).commits(2, 3, 2).applies(2, 3, 79);
    expect(members.verdicts).toEqual([]);
    const forgetful = agreed();
    forgetful.show(2, { kind: 'recovered' });
    forgetful.votes(2, 2, 2).leads(2, 2, [2]).writes(2, entry(2, 2));
    expect(forgetful.verdicts).toContain('committed prefix');
  });
});

describe('durability', () => {
  it('refuses an acknowledgement before a quorum of voters has it on disk', () => {
    const members = agreed().writes(1, entry(3, 1)).commits(1, 3, 1).applies(1, 3);
    expect(acknowledges(members, 3, { 1: 3, 2: 2 }).verdicts).toEqual(['durability']);
  });

  it('does not count a learner, nor another entry at that index', () => {
    const learner = agreed().writes(1, entry(3, 1)).commits(1, 3, 1).applies(1, 3);
    expect(acknowledges(learner, 3, { 1: 3, 9: 3 }).verdicts).toEqual(['durability']);
    const other = agreed().writes(1, entry(3, 1)).writes(2, entry(3, 2)).commits(1, 3, 1).applies(1, 3);
    expect(acknowledges(other, 3, { 1: 3, 2: 3 }).verdicts).toEqual(['durability']);
  });

  it('refuses an acknowledgement of what was not applied', () => {
    const members = agreed().writes(1, entry(3, 1)).writes(2, entry(3, 1)).commits(1, 3, 1);
    expect(acknowledges(members, 3, { 1: 3, 2: 3 }).verdicts).toEqual(['durability']);
  });

  it('lets a leader commit what a quorum of voters has on disk, and nothing else', () => {
    const led = (): Members =>
      agreed().show(1, { kind: 'configuration', group: 0, index: 1, voters: [1, 2, 3], learners: [] });
    expect(led().writes(1, entry(3, 1)).writes(2, entry(3, 1)).commits(1, 3, 1).verdicts).toEqual([]);
    const alone = led().writes(1, entry(3, 1)).commits(1, 3, 1);
    // A change of voters made in the same moment is shown after it.
    expect(alone.verdicts).toEqual([]);
    expect(alone.writes(1, entry(4, 1)).verdicts).toEqual(['durability']);
    const shrunk = led().writes(1, entry(3, 1)).commits(1, 3, 1);
    shrunk.show(1, { kind: 'configuration', group: 0, index: 4, voters: [1], learners: [] }, 'at once');
    expect(shrunk.writes(1, entry(4, 1)).verdicts).toEqual([]);
  });

  it('counts by the configuration that was in force when the entry was committed', () => {
    const alone = (index: number): Members => {
      const members = new Members();
      members.votes(1, 1, 1).leads(1, 1, [1]).writes(1, entry(1, 1), entry(2, 1));
      members.show(1, { kind: 'configuration', group: 0, index: 1, voters: [1], learners: [2] });
      members.commits(1, 2, 1).applies(1, 2);
      // By now member 2 votes as well, from the next entry on.
      return acknowledges(members, index, { 1: 2, 2: 1 }, [1, 2]);
    };
    expect(alone(2).verdicts).toEqual([]);
    expect(alone(3).verdicts).toContain('durability');
  });

  it('refuses to apply what is not committed, not on disk, or for a second time', () => {
    expect(agreed().writes(1, entry(3, 1)).applies(1, 3).verdicts).toEqual(['durability']);
    const volatile = agreed().show(1, { kind: 'appended', group: 0, entries: [entry(3, 1)] });
    expect(volatile.commits(1, 3, 1).applies(1, 3).verdicts).toEqual(['durability']);
    expect(agreed().applies(1, 1).verdicts).toEqual(['durability']);
  });

  it('refuses a start with less than the disk had, or with something else', () => {
    expect(agreed().returns(2, [entry(1, 1)], 1, 1).verdicts).toEqual(['durability']);
    expect(agreed().returns(2, [entry(1, 1), entry(2, 2)], 1, 1).verdicts).toContain('durability');
  });

  it('allows a start to lose what never reached the disk', () => {
    const members = agreed().show(2, { kind: 'appended', group: 0, entries: [entry(3, 1)] });
    expect(members.returns(2, [entry(1, 1), entry(2, 1)], 1, 1).verdicts).toEqual([]);
  });
});

describe('equal state at equal index', () => {
  it('refuses a member that differs, by entries or by a snapshot', () => {
    const members = agreed().writes(1, entry(3, 1)).writes(2, entry(3, 1)).commits(1, 3, 1).commits(2, 3, 1);
    expect(members.applies(1, 3, 8).applies(2, 3, 9).verdicts).toEqual(['equal state at equal index']);
    members.show(3, { kind: 'installed', group: 0, index: 3, term: 1, stateHash: 7 });
    expect(members.verdicts).toHaveLength(2);
  });
});

describe('configurations', () => {
  const configuration = (index: number, voters: readonly number[], learners: readonly number[] = []) =>
    ({ kind: 'configuration', group: 0, index, voters, learners }) as const;

  it('change by one voter at a time', () => {
    const members = agreed().show(1, configuration(1, [1, 2, 3]));
    members.show(1, configuration(2, [1, 2, 3, 4], [5]));
    expect(members.verdicts).toEqual([]);
    expect(
      agreed()
        .show(1, configuration(1, [1]))
        .show(1, configuration(2, [1, 2, 3])).verdicts,
    ).toEqual(['configurations']);
  });

  it('may be skipped by a member that took two in one step, where others showed the one between', () => {
    const members = agreed();
    for (const member of [1, 2, 3]) members.writes(member, entry(3, 1));
    members
      .show(1, configuration(1, [1]))
      .show(1, configuration(2, [1, 2]))
      .show(1, configuration(3, [1, 2, 3]));
    members.show(2, configuration(1, [1])).show(2, configuration(3, [1, 2, 3]));
    expect(members.verdicts).toEqual([]);
  });

  it('are the same for all that have the entry', () => {
    const members = agreed()
      .show(1, configuration(1, [1, 2, 3]))
      .show(2, configuration(1, [1, 2]));
    expect(members.verdicts).toEqual(['configurations']);
  });

  it('count no more once their entry was replaced by one that holds none', () => {
    const replaced = (): Members =>
      agreed()
        .writes(2, entry(3, 1))
        .show(2, configuration(3, [1, 2]))
        .writes(2, entry(3, 2));
    expect(replaced().show(2, configuration(1, [1, 2, 3])).verdicts).toEqual([]);
    expect(replaced().show(2, configuration(3, [1, 2])).verdicts).toEqual(['configurations']);
  });

  it('keep voters and learners apart', () => {
    expect(agreed().show(1, configuration(1, [1, 2], [2])).verdicts).toEqual(['configurations']);
  });
});
