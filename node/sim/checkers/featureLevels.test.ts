import { describe, expect, it } from 'vitest';
import { checkServed } from './featureLevels.ts';
import { History } from './testing/history.ts';
import { entry, Members } from './testing/members.ts';

/** Members 1 and 2 run as the next version, 3 as the one before. */
function mixed(): Members {
  const members = new Members();
  for (const [member, level] of [
    [1, 2],
    [2, 2],
    [3, 1],
  ] as const) {
    members.show(member, { kind: 'runsAs', level });
  }
  return members;
}
const raise = (members: Members, by: number, ids: readonly number[], index = 5): Members =>
  members.show(by, { kind: 'levelRaised', group: 0, index, level: 2, members: ids });

describe('feature levels', () => {
  it('rise when all members of the configuration know them', () => {
    expect(raise(mixed(), 1, [1, 2]).verdicts).toEqual([]);
    expect(raise(mixed().show(3, { kind: 'runsAs', level: 2 }), 1, [1, 2, 3]).verdicts).toEqual([]);
  });

  it('must not rise over a member that knows less, or of which nobody knows', () => {
    expect(raise(mixed(), 1, [1, 2, 3]).verdicts).toEqual(['feature levels']);
    expect(raise(mixed(), 1, [1, 4]).verdicts).toEqual(['feature levels']);
  });

  it('are known by whoever comes to the group after it has risen, though it may come before that is seen', () => {
    const log = [1, 2, 3, 4, 5, 6].map((index) => entry(index, 2));
    const joins = (member: number, index: number, raisedFirst: boolean): string[] => {
      const members = mixed()
        .show(4, { kind: 'runsAs', level: 2 })
        .writes(1, ...log);
      const come = (at: number, learners: number[]) =>
        members.show(1, { kind: 'configuration', group: 0, index: at, voters: [1, 2], learners });
      come(1, []);
      if (raisedFirst) raise(members, 1, [1, 2]);
      come(index, [member]);
      if (!raisedFirst) raise(members, 1, [1, 2]);
      return members.verdicts.filter((checker) => checker === 'feature levels');
    };
    for (const raisedFirst of [true, false]) {
      expect(joins(4, 6, raisedFirst)).toEqual([]);
      expect(joins(3, 4, raisedFirst)).toEqual([]);
      expect(joins(3, 6, raisedFirst)).toEqual(['feature levels']);
    }
  });

  it('are judged when they are first seen, not when they are replayed', () => {
    const members = raise(mixed(), 1, [1, 2]).show(2, { kind: 'runsAs', level: 1 });
    expect(raise(members, 2, [1, 2]).verdicts).toEqual([]);
  });

  it('end for good where a member knows less', () => {
    const applied = (member: number, index: number) =>
      raise(mixed(), 1, [1, 2])
        .applies(member, index)
        .verdicts.filter((checker) => checker === 'feature levels');
    expect(applied(3, 4)).toEqual([]);
    expect(applied(2, 5)).toEqual([]);
    expect(applied(3, 5)).toEqual(['feature levels']);
  });

  it('let nobody be refused any more once all groups have come to them', () => {
    const history = new History();
    const receipt = { queue: 'q', partition: 0, message: 1, delivery: 1, visibilityMs: 100 };
    history.begin(1, 'extend', receipt).fail('UNSUPPORTED');
    const order = history.operations.at(-1)!.completed!.order;
    history.begin(1, 'extend', receipt).fail('STALE_RECEIPT');
    expect(checkServed(history.operations, order)).toEqual([]);
    history.begin(1, 'extend', receipt).fail('UNSUPPORTED');
    expect(checkServed(history.operations, order).map(({ checker }) => checker)).toEqual(['feature levels']);
  });
});
