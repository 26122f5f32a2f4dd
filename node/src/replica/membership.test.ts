import type { MemberId, Ordinal, RosterMember, RosterTargetValue } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import type { Configuration, Progress } from '../raft/types.ts';
import { type MembershipInput, nextMembershipStep } from './membership.ts';

const member = (id: number) => ({ id: id as MemberId, ordinal: (id - 1) as Ordinal });
const configuration = (voters: number[], learners: number[] = []): Configuration => ({
  voters: voters.map(member),
  learners: learners.map(member),
});
const roster = (...members: [id: number, target: RosterTargetValue][]): RosterMember[] =>
  members.map(([id, target]) => [id as MemberId, (id - 1) as Ordinal, target]);
const progress = (id: number, match: number, active = true): Progress => ({
  id: id as MemberId,
  match: match as Progress['match'],
  next: (match + 1) as Progress['next'],
  state: 'replicate',
  active,
});

function step(input: Partial<MembershipInput>): ReturnType<typeof nextMembershipStep> {
  return nextMembershipStep({
    self: 1 as MemberId,
    configuration: configuration([1]),
    roster: roster([1, 'voter']),
    tombstones: new Set(),
    progress: [1, 2, 3].map((id) => progress(id, 1000)),
    lastIndex: 1000,
    mayJoin: () => true,
    mayRemove: () => true,
    ...input,
  });
}
const proposed = (s: ReturnType<typeof step>): unknown => (s?.kind === 'propose' ? s.configuration : s);

describe('nextMembershipStep', () => {
  it('does nothing when configuration and roster agree', () => {
    expect(step({})).toBeNull();
  });

  it('leaves out a member that may not join, and adds the others', () => {
    const three = roster([1, 'voter'], [2, 'voter'], [3, 'voter']);
    const mayJoin = (id: number) => id !== 2;
    expect(proposed(step({ roster: three, mayJoin }))).toEqual(configuration([1], [3]));
    const waiting = step({ roster: roster([1, 'voter'], [2, 'voter']), mayJoin });
    expect(waiting).toBeNull();
  });

  it('adds all new members as learners at once, whatever their target is', () => {
    const s = step({ roster: roster([1, 'voter'], [2, 'voter'], [3, 'learner']) });
    expect(proposed(s)).toEqual(configuration([1], [2, 3]));
  });

  it('promotes one caught-up learner at a time', () => {
    const s = step({
      configuration: configuration([1], [2, 3]),
      roster: roster([1, 'voter'], [2, 'voter'], [3, 'voter']),
      progress: [progress(2, 10), progress(3, 1000)],
    });
    expect(proposed(s)).toEqual(configuration([1, 3], [2]));
  });

  it('does not promote a learner that lags, is silent, or is not to be a voter', () => {
    const base = { configuration: configuration([1], [2]), roster: roster([1, 'voter'], [2, 'voter']) };
    expect(step({ ...base, progress: [progress(2, 100)] })).toBeNull();
    expect(step({ ...base, progress: [progress(2, 1000, false)] })).toBeNull();
    expect(
      step({ ...base, roster: roster([1, 'voter'], [2, 'learner']), progress: [progress(2, 1000)] }),
    ).toBeNull();
  });

  it('removes voters one at a time, before it adds or promotes anybody', () => {
    const s = step({
      configuration: configuration([1, 2, 3]),
      roster: roster([1, 'voter'], [4, 'voter']),
      tombstones: new Set([2, 3] as MemberId[]),
    });
    expect(proposed(s)).toEqual(configuration([1, 3]));
  });

  it('removes silent voters before those that answer, or the rest might never have a quorum', () => {
    const s = step({
      configuration: configuration([1, 2, 3]),
      roster: roster([1, 'voter']),
      tombstones: new Set([2, 3] as MemberId[]),
      progress: [progress(1, 1000), progress(2, 1000), progress(3, 10, false)],
    });
    expect(proposed(s)).toEqual(configuration([1, 2]));
  });

  it('removes nobody while the rest would have no quorum of voters that answer', () => {
    const s = step({
      configuration: configuration([1, 2, 3]),
      roster: roster([1, 'voter'], [3, 'voter']),
      tombstones: new Set([2] as MemberId[]),
      progress: [progress(1, 1000), progress(2, 1000), progress(3, 10, false)],
    });
    expect(s).toBeNull();
  });

  it('hands over before it removes itself, and removes others first', () => {
    const input = {
      configuration: configuration([1, 2, 3]),
      roster: roster([3, 'voter']),
      tombstones: new Set([1, 2] as MemberId[]),
    };
    expect(proposed(step(input))).toEqual(configuration([1, 3]));
    expect(step({ ...input, configuration: configuration([1, 3]) })).toEqual({ kind: 'handover' });
  });

  it('hands over though it may not be removed yet: who is out of a group is the last to hear of it', () => {
    const input = {
      configuration: configuration([1, 3]),
      roster: roster([3, 'voter']),
      tombstones: new Set([1] as MemberId[]),
      mayRemove: () => false,
    };
    expect(step(input)).toEqual({ kind: 'handover' });
    // Not to one that is to go as well, which would hand it back.
    expect(step({ ...input, tombstones: new Set([1, 3] as MemberId[]) })).toBeNull();
  });

  it('waits with a removal that the group may not make yet', () => {
    const s = step({
      configuration: configuration([1, 2, 3]),
      roster: roster([1, 'voter'], [3, 'voter']),
      tombstones: new Set([2] as MemberId[]),
      mayRemove: () => false,
    });
    expect(s).toBeNull();
  });

  it('never removes the last voter', () => {
    expect(step({ roster: [], tombstones: new Set([1] as MemberId[]) })).toBeNull();
  });
});
