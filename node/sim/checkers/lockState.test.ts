import { describe, expect, it } from 'vitest';
import type { HolderRecord } from '../history/operations.ts';
import { checkLockState } from './lockState.ts';
import { History, verdicts } from './testing/history.ts';

const BROKEN = ['lock state: broken'];
const identity = { name: 'l', token: 5 };

function held(mode: 'exclusive' | 'shared' = 'exclusive'): History {
  const history = new History();
  history.did(1, 'lockAcquire', { name: 'l', mode, waitMs: null }, { token: 5 });
  history.did(1, 'lockMark', identity, { held: true });
  return history;
}
function look(history: History, ...holders: readonly HolderRecord[]): void {
  history.did(2, 'lockInspect', { name: 'l' }, { holders, waiters: 0 });
}
const holder = (token: number, mode: 'exclusive' | 'shared' = 'exclusive'): HolderRecord => ({
  session: 1,
  token,
  mode,
});

describe('lock state', () => {
  it('lists who holds, and after the release nobody', () => {
    const history = held();
    look(history, holder(5));
    history.did(1, 'lockMark', identity, { held: true });
    history.did(1, 'lockRelease', identity, {});
    look(history);
    expect(checkLockState(history.operations)).toEqual([]);
  });

  it('refuses holders that exclude each other', () => {
    const history = new History();
    look(history, holder(5), holder(6, 'shared'));
    expect(verdicts(checkLockState(history.operations))).toEqual(BROKEN);
    const shared = new History();
    look(shared, holder(5, 'shared'), holder(6, 'shared'));
    expect(checkLockState(shared.operations)).toEqual([]);
  });

  it('refuses to leave out a holder, unless nothing shows that it still held', () => {
    const history = held();
    look(history);
    expect(checkLockState(history.operations)).toEqual([]);
    history.did(1, 'lockMark', identity, { held: true });
    expect(verdicts(checkLockState(history.operations))).toEqual(BROKEN);
  });

  it('refuses to list what was given back, unless others of the client share it', () => {
    for (const mode of ['exclusive', 'shared'] as const) {
      const history = held(mode);
      history.did(1, 'lockRelease', identity, {});
      look(history, holder(5, mode));
      expect(verdicts(checkLockState(history.operations))).toEqual(mode === 'exclusive' ? BROKEN : []);
    }
  });

  it('refuses another mode than was granted', () => {
    const history = held('shared');
    look(history, holder(5, 'exclusive'));
    expect(verdicts(checkLockState(history.operations))).toEqual(BROKEN);
  });

  it('knows that an unanswered release may come later', () => {
    const history = held();
    history.begin(1, 'lockRelease', identity).unknown('TIMEOUT');
    look(history, holder(5));
    look(history);
    expect(checkLockState(history.operations)).toEqual([]);
  });
});
