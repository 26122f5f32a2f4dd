import type { LogIndex, Term } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { RosterCopy } from './rosterCopy.ts';

function setup() {
  const asked: PromiseWithResolvers<LogIndex>[] = [];
  const copy = new RosterCopy(() => {
    const question = Promise.withResolvers<LogIndex>();
    asked.push(question);
    return question.promise;
  });
  const isCurrent = (term: number, applied: number, nowMs = 0): boolean =>
    copy.isCurrent(term as Term, applied as LogIndex, nowMs);
  const answer = async (at: number, index: number): Promise<void> => {
    asked[at]!.resolve(index as LogIndex);
    await asked[at]!.promise;
  };
  return { asked, isCurrent, answer };
}

describe('a copy of the roster', () => {
  it('is good when it has come as far as group 0 had when the leadership began', async () => {
    const { isCurrent, answer } = setup();
    expect(isCurrent(5, 90)).toBe(false);
    await answer(0, 100);
    expect(isCurrent(5, 99)).toBe(false);
    expect(isCurrent(5, 100)).toBe(true);
  });

  it('is doubted anew in each term, whatever the last one was told late', async () => {
    const { asked, isCurrent, answer } = setup();
    isCurrent(5, 90);
    expect(isCurrent(6, 90)).toBe(false);
    await answer(0, 80);
    expect(isCurrent(6, 90)).toBe(false);
    await answer(1, 90);
    expect(isCurrent(6, 90)).toBe(true);
    expect(asked).toHaveLength(2);
  });

  it('is asked about again when no answer comes, and not more often than that', async () => {
    const { asked, isCurrent, answer } = setup();
    for (let nowMs = 0; nowMs < 3_000; nowMs += 50) isCurrent(5, 90, nowMs);
    expect(asked).toHaveLength(3);
    asked[0]!.reject(new Error('no leader'));
    await answer(1, 50);
    expect(isCurrent(5, 90, 3_000)).toBe(true);
  });
});
